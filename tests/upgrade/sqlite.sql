BEGIN TRANSACTION;
CREATE TABLE "account_emailaddress" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "verified" bool NOT NULL, "primary" bool NOT NULL, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "email" varchar(254) NOT NULL);
CREATE TABLE "account_emailconfirmation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "created" datetime NOT NULL, "sent" datetime NULL, "key" varchar(64) NOT NULL UNIQUE, "email_address_id" integer NOT NULL REFERENCES "account_emailaddress" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "audit_auditevent" ("sequence" bigint NOT NULL PRIMARY KEY, "time" datetime NOT NULL, "action" varchar(60) NOT NULL, "actor_id" varchar(40) NOT NULL, "actor_name" varchar(320) NOT NULL, "address" varchar(45) NOT NULL, "account_sid" varchar(34) NOT NULL, "key_sid" varchar(34) NOT NULL, "request_id" varchar(36) NOT NULL, "team" varchar(80) NULL, "risk" varchar(10) NULL, "policy" text NOT NULL, "reason" text NOT NULL, "canonical" text NOT NULL, "leaf_hash" BLOB NOT NULL);
INSERT INTO "audit_auditevent" VALUES(1,'2026-11-28 00:12:58.091245','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','dce498cb-b260-4cfe-a15f-3cf37f6eec94','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"fresh","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"dce498cb-b260-4cfe-a15f-3cf37f6eec94","risk":"low","sequence":1,"team":"Payments","time":"2026-11-28T00:12:58.091245+00:00"}',X'2A54528A4EFF6C2296AB76D0761E3AC5D7208BFC220E8A8072178F242D80A39D');
INSERT INTO "audit_auditevent" VALUES(2,'2026-11-28 00:12:58.170289','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','dce498cb-b260-4cfe-a15f-3cf37f6eec94','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"ca9ce79eb50f3bd2b27b04afa5bf4a6f4c9484b95297890bc7ea78fec3679aa0","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"dce498cb-b260-4cfe-a15f-3cf37f6eec94","risk":"low","sequence":2,"team":"Payments","time":"2026-11-28T00:12:58.170289+00:00"}',X'5E5835E84FC1F8F89BB9330B83E21189EDA7CE61C1B78647D08995335F7E4AEF');
INSERT INTO "audit_auditevent" VALUES(3,'2026-11-28 00:12:58.207053','key.issue_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','dce498cb-b260-4cfe-a15f-3cf37f6eec94','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"4B7ICUIJ3QOV"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"dce498cb-b260-4cfe-a15f-3cf37f6eec94","risk":"low","sequence":3,"team":"Payments","time":"2026-11-28T00:12:58.207053+00:00"}',X'BD4CA4FF14E0A1285CE1848C5DEBDCF4F2208F4FEB8728F6A9BC2D082AA5DEC2');
INSERT INTO "audit_auditevent" VALUES(4,'2026-11-28 00:12:58.222492','key.issued','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKba123244082b189eaade6d94e2f850cf','dce498cb-b260-4cfe-a15f-3cf37f6eec94','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:12:58.220632+00:00","marker":"4B7ICUIJ3QOV"},"key_sid":"SKba123244082b189eaade6d94e2f850cf","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"dce498cb-b260-4cfe-a15f-3cf37f6eec94","risk":"low","sequence":4,"team":"Payments","time":"2026-11-28T00:12:58.222492+00:00"}',X'9E5896627A55A69B27143C666525E9092F05BEA1E868A568B38075D013C83E15');
INSERT INTO "audit_auditevent" VALUES(5,'2026-11-28 00:12:58.261773','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','e07a08f0-54b8-4e34-966e-ed23ff950ac7','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"confirmed","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"e07a08f0-54b8-4e34-966e-ed23ff950ac7","risk":"low","sequence":5,"team":"Payments","time":"2026-11-28T00:12:58.261773+00:00"}',X'EEFD738E158C86ABEB12184FAA8887FD5679F344CF9F46CDD49283C84A2CE546');
INSERT INTO "audit_auditevent" VALUES(6,'2026-11-28 00:12:58.323606','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','e07a08f0-54b8-4e34-966e-ed23ff950ac7','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"b7f25bf3e3704b2a1db66e48871e17b3b868c92ec7efdc17c579a04abf157d30","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e07a08f0-54b8-4e34-966e-ed23ff950ac7","risk":"low","sequence":6,"team":"Payments","time":"2026-11-28T00:12:58.323606+00:00"}',X'4B8EDED8687D5DC7F3E1E4809D5BEF0808DF5EAEBFAC55A8784958254200A564');
INSERT INTO "audit_auditevent" VALUES(7,'2026-11-28 00:12:58.353056','key.issue_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','e07a08f0-54b8-4e34-966e-ed23ff950ac7','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"EFC2UZRKZWW4"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e07a08f0-54b8-4e34-966e-ed23ff950ac7","risk":"low","sequence":7,"team":"Payments","time":"2026-11-28T00:12:58.353056+00:00"}',X'63C3B2A4A4E5A4619EBDF70766BD30DC0D2D8127BD4F5ACC2320094673B8BD8D');
INSERT INTO "audit_auditevent" VALUES(8,'2026-11-28 00:12:58.360639','key.issued','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SK9e480414ebf36e912b30c99081851702','e07a08f0-54b8-4e34-966e-ed23ff950ac7','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:12:58.359269+00:00","marker":"EFC2UZRKZWW4"},"key_sid":"SK9e480414ebf36e912b30c99081851702","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e07a08f0-54b8-4e34-966e-ed23ff950ac7","risk":"low","sequence":8,"team":"Payments","time":"2026-11-28T00:12:58.360639+00:00"}',X'133510B36743C7A2D35C14C38D9CDC6B2779EA60494741C8DF7192BDF418271E');
INSERT INTO "audit_auditevent" VALUES(9,'2026-11-28 00:12:58.393653','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"retiring","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":9,"team":"Payments","time":"2026-11-28T00:12:58.393653+00:00"}',X'EA7039E31755E4D1FD8316576CB54A59D872ED5B703ADA8E7A7E41BE5CD5CEE5');
INSERT INTO "audit_auditevent" VALUES(10,'2026-11-28 00:12:58.544588','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"026aa585ceb27cac8824c53945522aeabfb21a3b32f71898927b98cfc58b9c92","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":10,"team":"Payments","time":"2026-11-28T00:12:58.544588+00:00"}',X'E2E3E6C9ADF474039971F2F5856E5CECEC6FC52AE07BAE88B178DF5941220FE1');
INSERT INTO "audit_auditevent" VALUES(11,'2026-11-28 00:12:58.578924','key.issue_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"C6F4ND7CVAL2"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":11,"team":"Payments","time":"2026-11-28T00:12:58.578924+00:00"}',X'DE72F7876B5DBAD29FBCA0EAFCD75AA49E58D0C89D82F41228B73123786A47A7');
INSERT INTO "audit_auditevent" VALUES(12,'2026-11-28 00:12:58.586321','key.issued','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKc1b72e8569af48cf15b1c54ce86da4c6','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:12:58.585095+00:00","marker":"C6F4ND7CVAL2"},"key_sid":"SKc1b72e8569af48cf15b1c54ce86da4c6","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":12,"team":"Payments","time":"2026-11-28T00:12:58.586321+00:00"}',X'408B4B529E3854AFDC2B2A6D9F75C429328FA12DD001F58BA5300B111D31A4E1');
INSERT INTO "audit_auditevent" VALUES(13,'2026-11-28 00:12:58.621595','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"revoked","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":13,"team":"Payments","time":"2026-11-28T00:12:58.621595+00:00"}',X'43507789D170FC373483808929B075E29B30C35E93673ED864375AACA58ABBF5');
INSERT INTO "audit_auditevent" VALUES(14,'2026-11-28 00:12:58.672788','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"50c4e6abb080198fd2f4091ee29e578d1cefdeecdf04552f5e87214675d8b75c","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":14,"team":"Payments","time":"2026-11-28T00:12:58.672788+00:00"}',X'4466FF6B5066FF6B7E0B36B11CA59472259CC5D98A1751583EA7BE2A442A0123');
INSERT INTO "audit_auditevent" VALUES(15,'2026-11-28 00:12:58.705342','key.issue_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"AYZ4BESTQEBD"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":15,"team":"Payments","time":"2026-11-28T00:12:58.705342+00:00"}',X'6445282D0AB3B5D4C30CAAF93BC96E96B1D3B94CA38419BA5FBB076E5E691014');
INSERT INTO "audit_auditevent" VALUES(16,'2026-11-28 00:12:58.714021','key.issued','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKaa9a72422b77cee248686dea68e60e79','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:12:58.712421+00:00","marker":"AYZ4BESTQEBD"},"key_sid":"SKaa9a72422b77cee248686dea68e60e79","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":16,"team":"Payments","time":"2026-11-28T00:12:58.714021+00:00"}',X'D6110314F329CFC1410228102346E06B9BD755C852D6BCE4AAB04CBDE0E319B3');
INSERT INTO "audit_auditevent" VALUES(17,'2026-11-28 00:12:58.739263','key.confirmed','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SK9e480414ebf36e912b30c99081851702','e07a08f0-54b8-4e34-966e-ed23ff950ac7','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.confirmed","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK9e480414ebf36e912b30c99081851702","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"e07a08f0-54b8-4e34-966e-ed23ff950ac7","risk":"low","sequence":17,"team":"Payments","time":"2026-11-28T00:12:58.739263+00:00"}',X'73E8245157D963338E74E550A26707A726EEB6522F643B7D3FE6908FB10C7F3B');
INSERT INTO "audit_auditevent" VALUES(18,'2026-11-28 00:12:58.756764','key.rotate_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKc1b72e8569af48cf15b1c54ce86da4c6','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.rotate_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":2,"marker":"PAI4TSFWXNLO","overlap_hours":24},"key_sid":"SKc1b72e8569af48cf15b1c54ce86da4c6","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":18,"team":"Payments","time":"2026-11-28T00:12:58.756764+00:00"}',X'77917F34FC5C413D310DFC83005F490D081AC775326568F28300BBC6CCC73992');
INSERT INTO "audit_auditevent" VALUES(19,'2026-11-28 00:12:58.767546','key.rotated','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKc1b72e8569af48cf15b1c54ce86da4c6','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.rotated","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"retires":"2026-11-29T00:12:58.764356+00:00","successor":"SK1bb9e58ad1fc758de428cee239eb40c2"},"key_sid":"SKc1b72e8569af48cf15b1c54ce86da4c6","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":19,"team":"Payments","time":"2026-11-28T00:12:58.767546+00:00"}',X'23E10F090485C8A05F8027EFDB087BEFBE30F9222B59A3D594611580E06BE1D6');
INSERT INTO "audit_auditevent" VALUES(20,'2026-11-28 00:12:58.768824','key.issued','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SK1bb9e58ad1fc758de428cee239eb40c2','cf6cf618-b43e-4820-8102-3802eaa1e0a1','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-28T00:12:58.585095+00:00","marker":"PAI4TSFWXNLO","rotates":"SKc1b72e8569af48cf15b1c54ce86da4c6"},"key_sid":"SK1bb9e58ad1fc758de428cee239eb40c2","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"cf6cf618-b43e-4820-8102-3802eaa1e0a1","risk":"low","sequence":20,"team":"Payments","time":"2026-11-28T00:12:58.768824+00:00"}',X'499CD76A1F16B17D34A98107B2BC65466AC8DFE02F21BECFE607B0AC5F7C136C');
INSERT INTO "audit_auditevent" VALUES(21,'2026-11-28 00:12:58.780369','key.revoke_started','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKaa9a72422b77cee248686dea68e60e79','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','No longer needed.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.revoke_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SKaa9a72422b77cee248686dea68e60e79","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":21,"team":"Payments","time":"2026-11-28T00:12:58.780369+00:00"}',X'595FC90EFD77DAEE77124BDE5E6AC516F96CFAB8E41E235172EF8C320E5F177B');
INSERT INTO "audit_auditevent" VALUES(22,'2026-11-28 00:12:58.786905','key.revoked','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','SKaa9a72422b77cee248686dea68e60e79','188153de-a86e-483c-9774-0602a204f7ed','Payments','low','{"allow":["/twilio/billing/usage/read"]}','No longer needed.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"key.revoked","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SKaa9a72422b77cee248686dea68e60e79","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"188153de-a86e-483c-9774-0602a204f7ed","risk":"low","sequence":22,"team":"Payments","time":"2026-11-28T00:12:58.786905+00:00"}',X'80648CECE44849CC7AB96931A4E0DBB0C9E44CE08E3E6D7684AE26AC84C994E8');
INSERT INTO "audit_auditevent" VALUES(23,'2026-11-28 00:12:58.831859','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','8e240038-d33d-4f73-9b21-9face5f1543f','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"waits","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"8e240038-d33d-4f73-9b21-9face5f1543f","risk":"low","sequence":23,"team":"Payments","time":"2026-11-28T00:12:58.831859+00:00"}',X'3814716FF7450211121B419BF05088A0BBDC242DE95DBB5BD8EA2ADAA706FDF6');
INSERT INTO "audit_auditevent" VALUES(24,'2026-11-28 00:12:58.868115','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','4a13fda0-ce36-40f6-968a-0fab383521c5','Payments','critical','{"allow":["/twilio/iam/api-keys/create"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"half-approved","risk":"critical","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"A monthly report.","request_id":"4a13fda0-ce36-40f6-968a-0fab383521c5","risk":"critical","sequence":24,"team":"Payments","time":"2026-11-28T00:12:58.868115+00:00"}',X'4FB13F4AB8310FF0479EA5D4B76013B006B153856D1875DD06B32BEC5D59FC53');
INSERT INTO "audit_auditevent" VALUES(25,'2026-11-28 00:12:58.928073','request.approval_given','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','4a13fda0-ce36-40f6-968a-0fab383521c5','Payments','critical','{"allow":["/twilio/iam/api-keys/create"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approval_given","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"7f4f7df976ae6830c695bd5294d58d000cc8c938295b37c1445aeeee9c9bd3ca","needed":2},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"","request_id":"4a13fda0-ce36-40f6-968a-0fab383521c5","risk":"critical","sequence":25,"team":"Payments","time":"2026-11-28T00:12:58.928073+00:00"}',X'18E9516E5DC13E53B8CF97BD3052CB262872367EEEB9738926DC81D5C5235297');
INSERT INTO "audit_auditevent" VALUES(26,'2026-11-28 00:12:58.963049','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','00e71c07-95e3-4d54-93cb-dcc55ac43adc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"approved","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"00e71c07-95e3-4d54-93cb-dcc55ac43adc","risk":"low","sequence":26,"team":"Payments","time":"2026-11-28T00:12:58.963049+00:00"}',X'7AEDCC0FAA54189CDE2A487CD74CBB0D61FD8E1E51D967497DA4392A67703BC8');
INSERT INTO "audit_auditevent" VALUES(27,'2026-11-28 00:12:59.017602','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','00e71c07-95e3-4d54-93cb-dcc55ac43adc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"da444736fb386595cc069fe79e16cde1d233ee26034fa372aa918343b8f796a0","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"00e71c07-95e3-4d54-93cb-dcc55ac43adc","risk":"low","sequence":27,"team":"Payments","time":"2026-11-28T00:12:59.017602+00:00"}',X'6D307AC44809A96D6B6B7F1F7DF9035A1FB197E3D840379B80ED911087EF8E80');
INSERT INTO "audit_auditevent" VALUES(28,'2026-11-28 00:12:59.047394','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','d45a1727-8820-4c32-b97b-93080dd7e23b','Payments','high','{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"narrowed","risk":"high","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/messaging/messages/list\",\"/twilio/messaging/messages/read\"]}","reason":"A monthly report.","request_id":"d45a1727-8820-4c32-b97b-93080dd7e23b","risk":"high","sequence":28,"team":"Payments","time":"2026-11-28T00:12:59.047394+00:00"}',X'3305FB12FC97557A7D0F74E4F42E5447CDEB04F007E02F0EE71603578B91C23A');
INSERT INTO "audit_auditevent" VALUES(29,'2026-11-28 00:12:59.101624','request.narrowed','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','d45a1727-8820-4c32-b97b-93080dd7e23b','Payments','high','{"allow":["/twilio/messaging/messages/list"]}','Less is enough.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.narrowed","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"lifetime_from":30,"lifetime_to":30,"removed":["/twilio/messaging/messages/read"]},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"d45a1727-8820-4c32-b97b-93080dd7e23b","risk":"high","sequence":29,"team":"Payments","time":"2026-11-28T00:12:59.101624+00:00"}',X'95F6C952BFC9F46125FF68E15D25C0B71A8973176E692D8C85D8867F9028ABC9');
INSERT INTO "audit_auditevent" VALUES(30,'2026-11-28 00:12:59.102349','request.approved','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','d45a1727-8820-4c32-b97b-93080dd7e23b','Payments','high','{"allow":["/twilio/messaging/messages/list"]}','Less is enough.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"496acf479f3cadde972b8548e1d5cddaec27e65f748098bca16af6c9a7d1f20e","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"d45a1727-8820-4c32-b97b-93080dd7e23b","risk":"high","sequence":30,"team":"Payments","time":"2026-11-28T00:12:59.102349+00:00"}',X'CD45FF379A6D2F46108704D26A3B901AD021A2968F5C63118CF17C775C28BC7D');
INSERT INTO "audit_auditevent" VALUES(31,'2026-11-28 00:12:59.136003','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','523286ab-aa96-46c0-9ce6-b67b3a6f192b','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"refused","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"523286ab-aa96-46c0-9ce6-b67b3a6f192b","risk":"low","sequence":31,"team":"Payments","time":"2026-11-28T00:12:59.136003+00:00"}',X'0ABAB481EF604259C603A8268F6311E015749B16867D774457A5DF02B9398A92');
INSERT INTO "audit_auditevent" VALUES(32,'2026-11-28 00:12:59.184293','request.rejected','3','Lead Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','523286ab-aa96-46c0-9ce6-b67b3a6f192b','Payments','low','{"allow":["/twilio/billing/usage/read"]}','Use the shared one.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.rejected","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"capacity":"lead"},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"Use the shared one.","request_id":"523286ab-aa96-46c0-9ce6-b67b3a6f192b","risk":"low","sequence":32,"team":"Payments","time":"2026-11-28T00:12:59.184293+00:00"}',X'57F18B3B0CC656CC2DADBC9E074201193D020AB4EAC827FA2A4C90006AB52ABA');
INSERT INTO "audit_auditevent" VALUES(33,'2026-11-28 00:12:59.217099','request.created','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','886fb1f3-432b-4411-8120-8d077f9bbe3e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"cancelled","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"886fb1f3-432b-4411-8120-8d077f9bbe3e","risk":"low","sequence":33,"team":"Payments","time":"2026-11-28T00:12:59.217099+00:00"}',X'59BE5E62AEAA9E6ED6D39B8AA3133B8AAC5AC984365306C5DCD256E6670F68D8');
INSERT INTO "audit_auditevent" VALUES(34,'2026-11-28 00:12:59.240286','request.cancelled','1','Engineer Person','127.0.0.1','ACc0a257cdb74a8d9af12a80e1060c52f5','','886fb1f3-432b-4411-8120-8d077f9bbe3e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"ACc0a257cdb74a8d9af12a80e1060c52f5","action":"request.cancelled","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"886fb1f3-432b-4411-8120-8d077f9bbe3e","risk":"low","sequence":34,"team":"Payments","time":"2026-11-28T00:12:59.240286+00:00"}',X'5C176FA3DACF792B1717136BE32024977B09BEE6A7876DA5297773888744ADB8');
CREATE TABLE "audit_checkpoint" ("size" bigint NOT NULL PRIMARY KEY, "root" BLOB NOT NULL, "time" datetime NOT NULL, "key" varchar(400) NOT NULL, "note" text NOT NULL);
INSERT INTO "audit_checkpoint" VALUES(22,X'457F01CF2024910197245376B3F2224C6CD8A6CA58ABBEC3A37D83DF5E53FB9D','2026-11-28 00:12:58.793908','127.0.0.1/audit+d70e2d6b+AZvvnKAZdkUfRpGSMvQobh3uR30uvEXv/5SUupGoFOhb','127.0.0.1/audit
22
RX8BzyAkkQGXJFN2s/IiTGzYpspYq77Do32D315T+50=

— 127.0.0.1/audit 1w4ta/x01hiPXci20ZcT3Y7TGb06JRqGNKevQtHpAAp4G2do9TZmtWjNqvDvMZbmbTmqlfchp+zRQXFS8tXxCIhaTwk=
');
CREATE TABLE audit_eventterm (term varchar(180) NOT NULL, sequence bigint NOT NULL,
        PRIMARY KEY (term, sequence)) WITHOUT ROWID;
INSERT INTO "audit_eventterm" VALUES('actor:#1',1);
INSERT INTO "audit_eventterm" VALUES('actor:#1',3);
INSERT INTO "audit_eventterm" VALUES('actor:#1',4);
INSERT INTO "audit_eventterm" VALUES('actor:#1',5);
INSERT INTO "audit_eventterm" VALUES('actor:#1',7);
INSERT INTO "audit_eventterm" VALUES('actor:#1',8);
INSERT INTO "audit_eventterm" VALUES('actor:#1',9);
INSERT INTO "audit_eventterm" VALUES('actor:#1',11);
INSERT INTO "audit_eventterm" VALUES('actor:#1',12);
INSERT INTO "audit_eventterm" VALUES('actor:#1',13);
INSERT INTO "audit_eventterm" VALUES('actor:#1',15);
INSERT INTO "audit_eventterm" VALUES('actor:#1',16);
INSERT INTO "audit_eventterm" VALUES('actor:#1',17);
INSERT INTO "audit_eventterm" VALUES('actor:#1',18);
INSERT INTO "audit_eventterm" VALUES('actor:#1',19);
INSERT INTO "audit_eventterm" VALUES('actor:#1',20);
INSERT INTO "audit_eventterm" VALUES('actor:#1',21);
INSERT INTO "audit_eventterm" VALUES('actor:#1',22);
INSERT INTO "audit_eventterm" VALUES('actor:#1',23);
INSERT INTO "audit_eventterm" VALUES('actor:#1',24);
INSERT INTO "audit_eventterm" VALUES('actor:#1',26);
INSERT INTO "audit_eventterm" VALUES('actor:#1',28);
INSERT INTO "audit_eventterm" VALUES('actor:#1',31);
INSERT INTO "audit_eventterm" VALUES('actor:#1',33);
INSERT INTO "audit_eventterm" VALUES('actor:#1',34);
INSERT INTO "audit_eventterm" VALUES('actor:#3',2);
INSERT INTO "audit_eventterm" VALUES('actor:#3',6);
INSERT INTO "audit_eventterm" VALUES('actor:#3',10);
INSERT INTO "audit_eventterm" VALUES('actor:#3',14);
INSERT INTO "audit_eventterm" VALUES('actor:#3',25);
INSERT INTO "audit_eventterm" VALUES('actor:#3',27);
INSERT INTO "audit_eventterm" VALUES('actor:#3',29);
INSERT INTO "audit_eventterm" VALUES('actor:#3',30);
INSERT INTO "audit_eventterm" VALUES('actor:#3',32);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',1);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',3);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',4);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',5);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',7);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',8);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',9);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',11);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',12);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',13);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',15);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',16);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',17);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',18);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',19);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',20);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',21);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',22);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',23);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',24);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',26);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',28);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',31);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',33);
INSERT INTO "audit_eventterm" VALUES('actor:engineer',34);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',1);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',3);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',4);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',5);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',7);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',8);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',9);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',11);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',12);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',13);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',15);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',16);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',17);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',18);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',19);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',20);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',21);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',22);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',23);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',24);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',26);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',28);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',31);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',33);
INSERT INTO "audit_eventterm" VALUES('actor:engineer person',34);
INSERT INTO "audit_eventterm" VALUES('actor:lead',2);
INSERT INTO "audit_eventterm" VALUES('actor:lead',6);
INSERT INTO "audit_eventterm" VALUES('actor:lead',10);
INSERT INTO "audit_eventterm" VALUES('actor:lead',14);
INSERT INTO "audit_eventterm" VALUES('actor:lead',25);
INSERT INTO "audit_eventterm" VALUES('actor:lead',27);
INSERT INTO "audit_eventterm" VALUES('actor:lead',29);
INSERT INTO "audit_eventterm" VALUES('actor:lead',30);
INSERT INTO "audit_eventterm" VALUES('actor:lead',32);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',2);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',6);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',10);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',14);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',25);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',27);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',29);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',30);
INSERT INTO "audit_eventterm" VALUES('actor:lead person',32);
INSERT INTO "audit_eventterm" VALUES('actor:person',1);
INSERT INTO "audit_eventterm" VALUES('actor:person',2);
INSERT INTO "audit_eventterm" VALUES('actor:person',3);
INSERT INTO "audit_eventterm" VALUES('actor:person',4);
INSERT INTO "audit_eventterm" VALUES('actor:person',5);
INSERT INTO "audit_eventterm" VALUES('actor:person',6);
INSERT INTO "audit_eventterm" VALUES('actor:person',7);
INSERT INTO "audit_eventterm" VALUES('actor:person',8);
INSERT INTO "audit_eventterm" VALUES('actor:person',9);
INSERT INTO "audit_eventterm" VALUES('actor:person',10);
INSERT INTO "audit_eventterm" VALUES('actor:person',11);
INSERT INTO "audit_eventterm" VALUES('actor:person',12);
INSERT INTO "audit_eventterm" VALUES('actor:person',13);
INSERT INTO "audit_eventterm" VALUES('actor:person',14);
INSERT INTO "audit_eventterm" VALUES('actor:person',15);
INSERT INTO "audit_eventterm" VALUES('actor:person',16);
INSERT INTO "audit_eventterm" VALUES('actor:person',17);
INSERT INTO "audit_eventterm" VALUES('actor:person',18);
INSERT INTO "audit_eventterm" VALUES('actor:person',19);
INSERT INTO "audit_eventterm" VALUES('actor:person',20);
INSERT INTO "audit_eventterm" VALUES('actor:person',21);
INSERT INTO "audit_eventterm" VALUES('actor:person',22);
INSERT INTO "audit_eventterm" VALUES('actor:person',23);
INSERT INTO "audit_eventterm" VALUES('actor:person',24);
INSERT INTO "audit_eventterm" VALUES('actor:person',25);
INSERT INTO "audit_eventterm" VALUES('actor:person',26);
INSERT INTO "audit_eventterm" VALUES('actor:person',27);
INSERT INTO "audit_eventterm" VALUES('actor:person',28);
INSERT INTO "audit_eventterm" VALUES('actor:person',29);
INSERT INTO "audit_eventterm" VALUES('actor:person',30);
INSERT INTO "audit_eventterm" VALUES('actor:person',31);
INSERT INTO "audit_eventterm" VALUES('actor:person',32);
INSERT INTO "audit_eventterm" VALUES('actor:person',33);
INSERT INTO "audit_eventterm" VALUES('actor:person',34);
INSERT INTO "audit_eventterm" VALUES('address:127.',1);
INSERT INTO "audit_eventterm" VALUES('address:127.',2);
INSERT INTO "audit_eventterm" VALUES('address:127.',3);
INSERT INTO "audit_eventterm" VALUES('address:127.',4);
INSERT INTO "audit_eventterm" VALUES('address:127.',5);
INSERT INTO "audit_eventterm" VALUES('address:127.',6);
INSERT INTO "audit_eventterm" VALUES('address:127.',7);
INSERT INTO "audit_eventterm" VALUES('address:127.',8);
INSERT INTO "audit_eventterm" VALUES('address:127.',9);
INSERT INTO "audit_eventterm" VALUES('address:127.',10);
INSERT INTO "audit_eventterm" VALUES('address:127.',11);
INSERT INTO "audit_eventterm" VALUES('address:127.',12);
INSERT INTO "audit_eventterm" VALUES('address:127.',13);
INSERT INTO "audit_eventterm" VALUES('address:127.',14);
INSERT INTO "audit_eventterm" VALUES('address:127.',15);
INSERT INTO "audit_eventterm" VALUES('address:127.',16);
INSERT INTO "audit_eventterm" VALUES('address:127.',17);
INSERT INTO "audit_eventterm" VALUES('address:127.',18);
INSERT INTO "audit_eventterm" VALUES('address:127.',19);
INSERT INTO "audit_eventterm" VALUES('address:127.',20);
INSERT INTO "audit_eventterm" VALUES('address:127.',21);
INSERT INTO "audit_eventterm" VALUES('address:127.',22);
INSERT INTO "audit_eventterm" VALUES('address:127.',23);
INSERT INTO "audit_eventterm" VALUES('address:127.',24);
INSERT INTO "audit_eventterm" VALUES('address:127.',25);
INSERT INTO "audit_eventterm" VALUES('address:127.',26);
INSERT INTO "audit_eventterm" VALUES('address:127.',27);
INSERT INTO "audit_eventterm" VALUES('address:127.',28);
INSERT INTO "audit_eventterm" VALUES('address:127.',29);
INSERT INTO "audit_eventterm" VALUES('address:127.',30);
INSERT INTO "audit_eventterm" VALUES('address:127.',31);
INSERT INTO "audit_eventterm" VALUES('address:127.',32);
INSERT INTO "audit_eventterm" VALUES('address:127.',33);
INSERT INTO "audit_eventterm" VALUES('address:127.',34);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',1);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',2);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',3);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',4);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',5);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',6);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',7);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',8);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',9);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',10);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',11);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',12);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',13);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',14);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',15);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',16);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',17);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',18);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',19);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',20);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',21);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',22);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',23);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',24);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',25);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',26);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',27);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',28);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',29);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',30);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',31);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',32);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',33);
INSERT INTO "audit_eventterm" VALUES('address:127.0.',34);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',1);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',2);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',3);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',4);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',5);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',6);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',7);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',8);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',9);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',10);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',11);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',12);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',13);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',14);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',15);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',16);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',17);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',18);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',19);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',20);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',21);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',22);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',23);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',24);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',25);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',26);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',27);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',28);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',29);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',30);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',31);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',32);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',33);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.',34);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',1);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',2);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',3);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',4);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',5);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',6);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',7);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',8);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',9);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',10);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',11);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',12);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',13);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',14);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',15);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',16);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',17);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',18);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',19);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',20);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',21);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',22);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',23);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',24);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',25);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',26);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',27);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',28);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',29);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',30);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',31);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',32);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',33);
INSERT INTO "audit_eventterm" VALUES('address:127.0.0.1',34);
INSERT INTO "audit_eventterm" VALUES('family:key',3);
INSERT INTO "audit_eventterm" VALUES('family:key',4);
INSERT INTO "audit_eventterm" VALUES('family:key',7);
INSERT INTO "audit_eventterm" VALUES('family:key',8);
INSERT INTO "audit_eventterm" VALUES('family:key',11);
INSERT INTO "audit_eventterm" VALUES('family:key',12);
INSERT INTO "audit_eventterm" VALUES('family:key',15);
INSERT INTO "audit_eventterm" VALUES('family:key',16);
INSERT INTO "audit_eventterm" VALUES('family:key',17);
INSERT INTO "audit_eventterm" VALUES('family:key',18);
INSERT INTO "audit_eventterm" VALUES('family:key',19);
INSERT INTO "audit_eventterm" VALUES('family:key',20);
INSERT INTO "audit_eventterm" VALUES('family:key',21);
INSERT INTO "audit_eventterm" VALUES('family:key',22);
INSERT INTO "audit_eventterm" VALUES('family:request',1);
INSERT INTO "audit_eventterm" VALUES('family:request',2);
INSERT INTO "audit_eventterm" VALUES('family:request',5);
INSERT INTO "audit_eventterm" VALUES('family:request',6);
INSERT INTO "audit_eventterm" VALUES('family:request',9);
INSERT INTO "audit_eventterm" VALUES('family:request',10);
INSERT INTO "audit_eventterm" VALUES('family:request',13);
INSERT INTO "audit_eventterm" VALUES('family:request',14);
INSERT INTO "audit_eventterm" VALUES('family:request',23);
INSERT INTO "audit_eventterm" VALUES('family:request',24);
INSERT INTO "audit_eventterm" VALUES('family:request',25);
INSERT INTO "audit_eventterm" VALUES('family:request',26);
INSERT INTO "audit_eventterm" VALUES('family:request',27);
INSERT INTO "audit_eventterm" VALUES('family:request',28);
INSERT INTO "audit_eventterm" VALUES('family:request',29);
INSERT INTO "audit_eventterm" VALUES('family:request',30);
INSERT INTO "audit_eventterm" VALUES('family:request',31);
INSERT INTO "audit_eventterm" VALUES('family:request',32);
INSERT INTO "audit_eventterm" VALUES('family:request',33);
INSERT INTO "audit_eventterm" VALUES('family:request',34);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',1);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',2);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',3);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',4);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',5);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',6);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',7);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',8);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',9);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',10);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',11);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',12);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',13);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',14);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',15);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',16);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',17);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',18);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',19);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',20);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',21);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',22);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',23);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',26);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',27);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',31);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',32);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',33);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/',34);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',1);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',2);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',3);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',4);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',5);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',6);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',7);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',8);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',9);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',10);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',11);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',12);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',13);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',14);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',15);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',16);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',17);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',18);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',19);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',20);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',21);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',22);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',23);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',26);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',27);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',31);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',32);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',33);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/',34);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',1);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',2);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',3);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',4);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',5);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',6);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',7);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',8);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',9);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',10);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',11);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',12);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',13);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',14);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',15);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',16);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',17);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',18);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',19);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',20);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',21);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',22);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',23);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',26);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',27);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',31);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',32);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',33);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/billing/usage/read',34);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/',24);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/',25);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/api-keys/',24);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/api-keys/',25);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/api-keys/create',24);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/iam/api-keys/create',25);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/',28);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/',29);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/',30);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/',28);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/',29);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/',30);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/list',28);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/list',29);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/list',30);
INSERT INTO "audit_eventterm" VALUES('permission:/twilio/messaging/messages/read',28);
INSERT INTO "audit_eventterm" VALUES('risk:critical',24);
INSERT INTO "audit_eventterm" VALUES('risk:critical',25);
INSERT INTO "audit_eventterm" VALUES('risk:high',28);
INSERT INTO "audit_eventterm" VALUES('risk:high',29);
INSERT INTO "audit_eventterm" VALUES('risk:high',30);
INSERT INTO "audit_eventterm" VALUES('risk:low',1);
INSERT INTO "audit_eventterm" VALUES('risk:low',2);
INSERT INTO "audit_eventterm" VALUES('risk:low',3);
INSERT INTO "audit_eventterm" VALUES('risk:low',4);
INSERT INTO "audit_eventterm" VALUES('risk:low',5);
INSERT INTO "audit_eventterm" VALUES('risk:low',6);
INSERT INTO "audit_eventterm" VALUES('risk:low',7);
INSERT INTO "audit_eventterm" VALUES('risk:low',8);
INSERT INTO "audit_eventterm" VALUES('risk:low',9);
INSERT INTO "audit_eventterm" VALUES('risk:low',10);
INSERT INTO "audit_eventterm" VALUES('risk:low',11);
INSERT INTO "audit_eventterm" VALUES('risk:low',12);
INSERT INTO "audit_eventterm" VALUES('risk:low',13);
INSERT INTO "audit_eventterm" VALUES('risk:low',14);
INSERT INTO "audit_eventterm" VALUES('risk:low',15);
INSERT INTO "audit_eventterm" VALUES('risk:low',16);
INSERT INTO "audit_eventterm" VALUES('risk:low',17);
INSERT INTO "audit_eventterm" VALUES('risk:low',18);
INSERT INTO "audit_eventterm" VALUES('risk:low',19);
INSERT INTO "audit_eventterm" VALUES('risk:low',20);
INSERT INTO "audit_eventterm" VALUES('risk:low',21);
INSERT INTO "audit_eventterm" VALUES('risk:low',22);
INSERT INTO "audit_eventterm" VALUES('risk:low',23);
INSERT INTO "audit_eventterm" VALUES('risk:low',26);
INSERT INTO "audit_eventterm" VALUES('risk:low',27);
INSERT INTO "audit_eventterm" VALUES('risk:low',31);
INSERT INTO "audit_eventterm" VALUES('risk:low',32);
INSERT INTO "audit_eventterm" VALUES('risk:low',33);
INSERT INTO "audit_eventterm" VALUES('risk:low',34);
INSERT INTO "audit_eventterm" VALUES('team:payments',1);
INSERT INTO "audit_eventterm" VALUES('team:payments',2);
INSERT INTO "audit_eventterm" VALUES('team:payments',3);
INSERT INTO "audit_eventterm" VALUES('team:payments',4);
INSERT INTO "audit_eventterm" VALUES('team:payments',5);
INSERT INTO "audit_eventterm" VALUES('team:payments',6);
INSERT INTO "audit_eventterm" VALUES('team:payments',7);
INSERT INTO "audit_eventterm" VALUES('team:payments',8);
INSERT INTO "audit_eventterm" VALUES('team:payments',9);
INSERT INTO "audit_eventterm" VALUES('team:payments',10);
INSERT INTO "audit_eventterm" VALUES('team:payments',11);
INSERT INTO "audit_eventterm" VALUES('team:payments',12);
INSERT INTO "audit_eventterm" VALUES('team:payments',13);
INSERT INTO "audit_eventterm" VALUES('team:payments',14);
INSERT INTO "audit_eventterm" VALUES('team:payments',15);
INSERT INTO "audit_eventterm" VALUES('team:payments',16);
INSERT INTO "audit_eventterm" VALUES('team:payments',17);
INSERT INTO "audit_eventterm" VALUES('team:payments',18);
INSERT INTO "audit_eventterm" VALUES('team:payments',19);
INSERT INTO "audit_eventterm" VALUES('team:payments',20);
INSERT INTO "audit_eventterm" VALUES('team:payments',21);
INSERT INTO "audit_eventterm" VALUES('team:payments',22);
INSERT INTO "audit_eventterm" VALUES('team:payments',23);
INSERT INTO "audit_eventterm" VALUES('team:payments',24);
INSERT INTO "audit_eventterm" VALUES('team:payments',25);
INSERT INTO "audit_eventterm" VALUES('team:payments',26);
INSERT INTO "audit_eventterm" VALUES('team:payments',27);
INSERT INTO "audit_eventterm" VALUES('team:payments',28);
INSERT INTO "audit_eventterm" VALUES('team:payments',29);
INSERT INTO "audit_eventterm" VALUES('team:payments',30);
INSERT INTO "audit_eventterm" VALUES('team:payments',31);
INSERT INTO "audit_eventterm" VALUES('team:payments',32);
INSERT INTO "audit_eventterm" VALUES('team:payments',33);
INSERT INTO "audit_eventterm" VALUES('team:payments',34);
INSERT INTO "audit_eventterm" VALUES('text:00',4);
INSERT INTO "audit_eventterm" VALUES('text:00',8);
INSERT INTO "audit_eventterm" VALUES('text:00',12);
INSERT INTO "audit_eventterm" VALUES('text:00',16);
INSERT INTO "audit_eventterm" VALUES('text:00',19);
INSERT INTO "audit_eventterm" VALUES('text:00',20);
INSERT INTO "audit_eventterm" VALUES('text:026aa585ceb27cac8824c53945522aeabfb21a3b32f71898927b98cfc58b9c92',10);
INSERT INTO "audit_eventterm" VALUES('text:1',2);
INSERT INTO "audit_eventterm" VALUES('text:1',3);
INSERT INTO "audit_eventterm" VALUES('text:1',6);
INSERT INTO "audit_eventterm" VALUES('text:1',7);
INSERT INTO "audit_eventterm" VALUES('text:1',10);
INSERT INTO "audit_eventterm" VALUES('text:1',11);
INSERT INTO "audit_eventterm" VALUES('text:1',14);
INSERT INTO "audit_eventterm" VALUES('text:1',15);
INSERT INTO "audit_eventterm" VALUES('text:1',25);
INSERT INTO "audit_eventterm" VALUES('text:1',27);
INSERT INTO "audit_eventterm" VALUES('text:1',30);
INSERT INTO "audit_eventterm" VALUES('text:11',19);
INSERT INTO "audit_eventterm" VALUES('text:12',4);
INSERT INTO "audit_eventterm" VALUES('text:12',8);
INSERT INTO "audit_eventterm" VALUES('text:12',12);
INSERT INTO "audit_eventterm" VALUES('text:12',16);
INSERT INTO "audit_eventterm" VALUES('text:12',19);
INSERT INTO "audit_eventterm" VALUES('text:12',20);
INSERT INTO "audit_eventterm" VALUES('text:2',18);
INSERT INTO "audit_eventterm" VALUES('text:2',25);
INSERT INTO "audit_eventterm" VALUES('text:2026',4);
INSERT INTO "audit_eventterm" VALUES('text:2026',8);
INSERT INTO "audit_eventterm" VALUES('text:2026',12);
INSERT INTO "audit_eventterm" VALUES('text:2026',16);
INSERT INTO "audit_eventterm" VALUES('text:2026',19);
INSERT INTO "audit_eventterm" VALUES('text:2026',20);
INSERT INTO "audit_eventterm" VALUES('text:220632',4);
INSERT INTO "audit_eventterm" VALUES('text:24',18);
INSERT INTO "audit_eventterm" VALUES('text:28t00',4);
INSERT INTO "audit_eventterm" VALUES('text:28t00',8);
INSERT INTO "audit_eventterm" VALUES('text:28t00',12);
INSERT INTO "audit_eventterm" VALUES('text:28t00',16);
INSERT INTO "audit_eventterm" VALUES('text:28t00',20);
INSERT INTO "audit_eventterm" VALUES('text:29t00',19);
INSERT INTO "audit_eventterm" VALUES('text:30',1);
INSERT INTO "audit_eventterm" VALUES('text:30',5);
INSERT INTO "audit_eventterm" VALUES('text:30',9);
INSERT INTO "audit_eventterm" VALUES('text:30',13);
INSERT INTO "audit_eventterm" VALUES('text:30',23);
INSERT INTO "audit_eventterm" VALUES('text:30',24);
INSERT INTO "audit_eventterm" VALUES('text:30',26);
INSERT INTO "audit_eventterm" VALUES('text:30',28);
INSERT INTO "audit_eventterm" VALUES('text:30',29);
INSERT INTO "audit_eventterm" VALUES('text:30',31);
INSERT INTO "audit_eventterm" VALUES('text:30',33);
INSERT INTO "audit_eventterm" VALUES('text:359269',8);
INSERT INTO "audit_eventterm" VALUES('text:496acf479f3cadde972b8548e1d5cddaec27e65f748098bca16af6c9a7d1f20e',30);
INSERT INTO "audit_eventterm" VALUES('text:4b7icuij3qov',3);
INSERT INTO "audit_eventterm" VALUES('text:4b7icuij3qov',4);
INSERT INTO "audit_eventterm" VALUES('text:50c4e6abb080198fd2f4091ee29e578d1cefdeecdf04552f5e87214675d8b75c',14);
INSERT INTO "audit_eventterm" VALUES('text:58',4);
INSERT INTO "audit_eventterm" VALUES('text:58',8);
INSERT INTO "audit_eventterm" VALUES('text:58',12);
INSERT INTO "audit_eventterm" VALUES('text:58',16);
INSERT INTO "audit_eventterm" VALUES('text:58',19);
INSERT INTO "audit_eventterm" VALUES('text:58',20);
INSERT INTO "audit_eventterm" VALUES('text:585095',12);
INSERT INTO "audit_eventterm" VALUES('text:585095',20);
INSERT INTO "audit_eventterm" VALUES('text:712421',16);
INSERT INTO "audit_eventterm" VALUES('text:764356',19);
INSERT INTO "audit_eventterm" VALUES('text:7f4f7df976ae6830c695bd5294d58d000cc8c938295b37c1445aeeee9c9bd3ca',25);
INSERT INTO "audit_eventterm" VALUES('text:a',1);
INSERT INTO "audit_eventterm" VALUES('text:a',5);
INSERT INTO "audit_eventterm" VALUES('text:a',9);
INSERT INTO "audit_eventterm" VALUES('text:a',13);
INSERT INTO "audit_eventterm" VALUES('text:a',23);
INSERT INTO "audit_eventterm" VALUES('text:a',24);
INSERT INTO "audit_eventterm" VALUES('text:a',26);
INSERT INTO "audit_eventterm" VALUES('text:a',28);
INSERT INTO "audit_eventterm" VALUES('text:a',31);
INSERT INTO "audit_eventterm" VALUES('text:a',33);
INSERT INTO "audit_eventterm" VALUES('text:approved',24);
INSERT INTO "audit_eventterm" VALUES('text:approved',26);
INSERT INTO "audit_eventterm" VALUES('text:ayz4bestqebd',15);
INSERT INTO "audit_eventterm" VALUES('text:ayz4bestqebd',16);
INSERT INTO "audit_eventterm" VALUES('text:b7f25bf3e3704b2a1db66e48871e17b3b868c92ec7efdc17c579a04abf157d30',6);
INSERT INTO "audit_eventterm" VALUES('text:c6f4nd7cval2',11);
INSERT INTO "audit_eventterm" VALUES('text:c6f4nd7cval2',12);
INSERT INTO "audit_eventterm" VALUES('text:ca9ce79eb50f3bd2b27b04afa5bf4a6f4c9484b95297890bc7ea78fec3679aa0',2);
INSERT INTO "audit_eventterm" VALUES('text:cancelled',33);
INSERT INTO "audit_eventterm" VALUES('text:confirmed',5);
INSERT INTO "audit_eventterm" VALUES('text:critical',24);
INSERT INTO "audit_eventterm" VALUES('text:da444736fb386595cc069fe79e16cde1d233ee26034fa372aa918343b8f796a0',27);
INSERT INTO "audit_eventterm" VALUES('text:efc2uzrkzww4',7);
INSERT INTO "audit_eventterm" VALUES('text:efc2uzrkzww4',8);
INSERT INTO "audit_eventterm" VALUES('text:enough',29);
INSERT INTO "audit_eventterm" VALUES('text:enough',30);
INSERT INTO "audit_eventterm" VALUES('text:fresh',1);
INSERT INTO "audit_eventterm" VALUES('text:half',24);
INSERT INTO "audit_eventterm" VALUES('text:high',28);
INSERT INTO "audit_eventterm" VALUES('text:is',29);
INSERT INTO "audit_eventterm" VALUES('text:is',30);
INSERT INTO "audit_eventterm" VALUES('text:lead',2);
INSERT INTO "audit_eventterm" VALUES('text:lead',6);
INSERT INTO "audit_eventterm" VALUES('text:lead',10);
INSERT INTO "audit_eventterm" VALUES('text:lead',14);
INSERT INTO "audit_eventterm" VALUES('text:lead',25);
INSERT INTO "audit_eventterm" VALUES('text:lead',27);
INSERT INTO "audit_eventterm" VALUES('text:lead',30);
INSERT INTO "audit_eventterm" VALUES('text:lead',32);
INSERT INTO "audit_eventterm" VALUES('text:less',29);
INSERT INTO "audit_eventterm" VALUES('text:less',30);
INSERT INTO "audit_eventterm" VALUES('text:longer',21);
INSERT INTO "audit_eventterm" VALUES('text:longer',22);
INSERT INTO "audit_eventterm" VALUES('text:low',1);
INSERT INTO "audit_eventterm" VALUES('text:low',5);
INSERT INTO "audit_eventterm" VALUES('text:low',9);
INSERT INTO "audit_eventterm" VALUES('text:low',13);
INSERT INTO "audit_eventterm" VALUES('text:low',23);
INSERT INTO "audit_eventterm" VALUES('text:low',26);
INSERT INTO "audit_eventterm" VALUES('text:low',31);
INSERT INTO "audit_eventterm" VALUES('text:low',33);
INSERT INTO "audit_eventterm" VALUES('text:messages',29);
INSERT INTO "audit_eventterm" VALUES('text:messaging',29);
INSERT INTO "audit_eventterm" VALUES('text:monthly',1);
INSERT INTO "audit_eventterm" VALUES('text:monthly',5);
INSERT INTO "audit_eventterm" VALUES('text:monthly',9);
INSERT INTO "audit_eventterm" VALUES('text:monthly',13);
INSERT INTO "audit_eventterm" VALUES('text:monthly',23);
INSERT INTO "audit_eventterm" VALUES('text:monthly',24);
INSERT INTO "audit_eventterm" VALUES('text:monthly',26);
INSERT INTO "audit_eventterm" VALUES('text:monthly',28);
INSERT INTO "audit_eventterm" VALUES('text:monthly',31);
INSERT INTO "audit_eventterm" VALUES('text:monthly',33);
INSERT INTO "audit_eventterm" VALUES('text:narrowed',28);
INSERT INTO "audit_eventterm" VALUES('text:needed',21);
INSERT INTO "audit_eventterm" VALUES('text:needed',22);
INSERT INTO "audit_eventterm" VALUES('text:no',21);
INSERT INTO "audit_eventterm" VALUES('text:no',22);
INSERT INTO "audit_eventterm" VALUES('text:one',32);
INSERT INTO "audit_eventterm" VALUES('text:pai4tsfwxnlo',18);
INSERT INTO "audit_eventterm" VALUES('text:pai4tsfwxnlo',20);
INSERT INTO "audit_eventterm" VALUES('text:payments',1);
INSERT INTO "audit_eventterm" VALUES('text:payments',5);
INSERT INTO "audit_eventterm" VALUES('text:payments',9);
INSERT INTO "audit_eventterm" VALUES('text:payments',13);
INSERT INTO "audit_eventterm" VALUES('text:payments',23);
INSERT INTO "audit_eventterm" VALUES('text:payments',24);
INSERT INTO "audit_eventterm" VALUES('text:payments',26);
INSERT INTO "audit_eventterm" VALUES('text:payments',28);
INSERT INTO "audit_eventterm" VALUES('text:payments',31);
INSERT INTO "audit_eventterm" VALUES('text:payments',33);
INSERT INTO "audit_eventterm" VALUES('text:read',29);
INSERT INTO "audit_eventterm" VALUES('text:refused',31);
INSERT INTO "audit_eventterm" VALUES('text:report',1);
INSERT INTO "audit_eventterm" VALUES('text:report',5);
INSERT INTO "audit_eventterm" VALUES('text:report',9);
INSERT INTO "audit_eventterm" VALUES('text:report',13);
INSERT INTO "audit_eventterm" VALUES('text:report',23);
INSERT INTO "audit_eventterm" VALUES('text:report',24);
INSERT INTO "audit_eventterm" VALUES('text:report',26);
INSERT INTO "audit_eventterm" VALUES('text:report',28);
INSERT INTO "audit_eventterm" VALUES('text:report',31);
INSERT INTO "audit_eventterm" VALUES('text:report',33);
INSERT INTO "audit_eventterm" VALUES('text:retiring',9);
INSERT INTO "audit_eventterm" VALUES('text:revoked',13);
INSERT INTO "audit_eventterm" VALUES('text:shared',32);
INSERT INTO "audit_eventterm" VALUES('text:sk1bb9e58ad1fc758de428cee239eb40c2',19);
INSERT INTO "audit_eventterm" VALUES('text:skc1b72e8569af48cf15b1c54ce86da4c6',20);
INSERT INTO "audit_eventterm" VALUES('text:the',32);
INSERT INTO "audit_eventterm" VALUES('text:twilio',29);
INSERT INTO "audit_eventterm" VALUES('text:use',32);
INSERT INTO "audit_eventterm" VALUES('text:waits',23);
CREATE TABLE "audit_node" ("level" smallint NOT NULL, "position" bigint NOT NULL, "hash" BLOB NOT NULL, PRIMARY KEY ("level", "position"));
INSERT INTO "audit_node" VALUES(1,0,X'9DBB59C525A6B3F26AFD1CCFA5B16F6D4B50BDEB05DC2251A2FCEDCE06CD0B8A');
INSERT INTO "audit_node" VALUES(1,1,X'3ED57817DC13A6B29BA66D826BB63BFC3C67B0F753146CDD6BD06DF8E596BA35');
INSERT INTO "audit_node" VALUES(2,0,X'92899D5FE3DC0996F12654842F0296570F8B4914875297E67ED48100FF8CB4C8');
INSERT INTO "audit_node" VALUES(1,2,X'2E76D0B7CD8B3A450993D29F66CA5375F56CDEEC3E9652A9369D7E01A8D37D3D');
INSERT INTO "audit_node" VALUES(1,3,X'740EB14575302A7E5D7669BA87C27BA9536DDA4F8233C9796F3802DDF9E64A2C');
INSERT INTO "audit_node" VALUES(2,1,X'F9B92AA94491850763809D06A345C172D419F74E7CD3427FCCDE083AD26D3B60');
INSERT INTO "audit_node" VALUES(3,0,X'29AED381357606FFA866764C164D4EBA235DA9D5BD74B8DE3B00BB25D4D368F1');
INSERT INTO "audit_node" VALUES(1,4,X'BDEC7E78259121AEA41877ECC4D7872B6643CB4DAC89CF40CCE3AD39454D2048');
INSERT INTO "audit_node" VALUES(1,5,X'C9F7588415F26E878D88657A95C64E14F4DD6BBB956B5BA2AF8951F0ABD0CE5F');
INSERT INTO "audit_node" VALUES(2,2,X'F17291F1C3AF2DF5A2A745B1B92B159376885C54DE264674D8D7AF18D955ADB5');
INSERT INTO "audit_node" VALUES(1,6,X'7F42014E813FB6E288535181C9A3DB7BE977B2A8582749CF7D1F0770AC7E66DC');
INSERT INTO "audit_node" VALUES(1,7,X'416B6120373CF53A7861FB286B6BB3F2BB0236AB43CBCE565AC7E67101B47B7B');
INSERT INTO "audit_node" VALUES(2,3,X'3D32D0FF0CD42A2706D9612467601B51AAF8213B5285A810FABBDAD1D9EB3E24');
INSERT INTO "audit_node" VALUES(3,1,X'ADCDFD9C6602C6D13C0F745B9AC9CDCDC3820804AD072A42C71AA61826F51DCA');
INSERT INTO "audit_node" VALUES(4,0,X'B9017FB49CE9FF419F2A2FBB7E8D084408061F68C92902D50CD4073869792DBF');
INSERT INTO "audit_node" VALUES(1,8,X'E2ACE2FA1E06772F378FA9556DF9D466F1BB1501FB9BCC583F178A656C2A38DA');
INSERT INTO "audit_node" VALUES(1,9,X'7C2BE68595F1393363BD7FB41001A949DDC767015FC56CB8D2E8549C1C22704F');
INSERT INTO "audit_node" VALUES(2,4,X'AAB797C339A440A3B945A0AC36F3F0805B08ED62106FBFCA914C34D6699E52EB');
INSERT INTO "audit_node" VALUES(1,10,X'9B60EA5B11675FF472F21F0EC2F6A78D272E3D6D388652DA9FA86A21D8226DE9');
INSERT INTO "audit_node" VALUES(1,11,X'31E4EDF9EE56B76F8368694B9DA2D5EFC90540769F5A767D268444F14902DE5C');
INSERT INTO "audit_node" VALUES(2,5,X'273603826897FB4B1FDDCD3BE661B6ADEA4B433F77BB0118293483091C50A8CA');
INSERT INTO "audit_node" VALUES(3,2,X'598D7BE203F40B4E9793819C98676627B06177E74C3DAECC12FDE341507E8916');
INSERT INTO "audit_node" VALUES(1,12,X'E4219AD8564203394C360816F7BF98714F7A9335C22F4817BB0C1FB8C64356C3');
INSERT INTO "audit_node" VALUES(1,13,X'E1CABC50EAE0114916FC513A8E69F66BA5BF427F669EFAC67F9FCE2E3BD59D57');
INSERT INTO "audit_node" VALUES(2,6,X'4F54A12E94E988AFD85137C610DFB97B4234513C51EEDBF19E36D5479DB3D302');
INSERT INTO "audit_node" VALUES(1,14,X'41AB4745BBC5B558DE232A66A6E93267CBCCB9C039C5BA5A9542AF1AC35F1C4E');
INSERT INTO "audit_node" VALUES(1,15,X'1393CC67FE5CE0F54512DA705DF174A29236DD037DD723ABA66EC43B4E7B83BC');
INSERT INTO "audit_node" VALUES(2,7,X'E97523DA1E2077886FE258F5D14238E4068CDBC11D5A89F705C62DE0E3A31A18');
INSERT INTO "audit_node" VALUES(3,3,X'AF80E44BF97A7464C26E334491A0B64091A8AF68476420D7318341798055CBA9');
INSERT INTO "audit_node" VALUES(4,1,X'3532B4F9A987F5ABC06C84899DEC059D8BAF6FF967FA33D10D3983F067544781');
INSERT INTO "audit_node" VALUES(5,0,X'ECBBA7F2CA3864E6FE766805B5197313F4A9ECBCAE614B7F98A13B1D4AF510CE');
INSERT INTO "audit_node" VALUES(1,16,X'D8CB7408FF935EDC7AC8AFF673F994CE27CCF666165E10066B85BB8C07A3CEAB');
CREATE TABLE "auth_group" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(150) NOT NULL UNIQUE);
INSERT INTO "auth_group" VALUES(1,'Engineers');
INSERT INTO "auth_group" VALUES(2,'Team leads');
INSERT INTO "auth_group" VALUES(3,'Security');
CREATE TABLE "auth_group_permissions" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED, "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "auth_permission" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "content_type_id" integer NOT NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED, "codename" varchar(100) NOT NULL, "name" varchar(255) NOT NULL);
INSERT INTO "auth_permission" VALUES(1,1,'add_logentry','Can add log entry');
INSERT INTO "auth_permission" VALUES(2,1,'change_logentry','Can change log entry');
INSERT INTO "auth_permission" VALUES(3,1,'delete_logentry','Can delete log entry');
INSERT INTO "auth_permission" VALUES(4,1,'view_logentry','Can view log entry');
INSERT INTO "auth_permission" VALUES(5,2,'add_contenttype','Can add content type');
INSERT INTO "auth_permission" VALUES(6,2,'change_contenttype','Can change content type');
INSERT INTO "auth_permission" VALUES(7,2,'delete_contenttype','Can delete content type');
INSERT INTO "auth_permission" VALUES(8,2,'view_contenttype','Can view content type');
INSERT INTO "auth_permission" VALUES(9,3,'add_session','Can add session');
INSERT INTO "auth_permission" VALUES(10,3,'change_session','Can change session');
INSERT INTO "auth_permission" VALUES(11,3,'delete_session','Can delete session');
INSERT INTO "auth_permission" VALUES(12,3,'view_session','Can view session');
INSERT INTO "auth_permission" VALUES(13,4,'add_emailaddress','Can add email address');
INSERT INTO "auth_permission" VALUES(14,4,'change_emailaddress','Can change email address');
INSERT INTO "auth_permission" VALUES(15,4,'delete_emailaddress','Can delete email address');
INSERT INTO "auth_permission" VALUES(16,4,'view_emailaddress','Can view email address');
INSERT INTO "auth_permission" VALUES(17,5,'add_emailconfirmation','Can add email confirmation');
INSERT INTO "auth_permission" VALUES(18,5,'change_emailconfirmation','Can change email confirmation');
INSERT INTO "auth_permission" VALUES(19,5,'delete_emailconfirmation','Can delete email confirmation');
INSERT INTO "auth_permission" VALUES(20,5,'view_emailconfirmation','Can view email confirmation');
INSERT INTO "auth_permission" VALUES(21,6,'add_attachment','Can add Attachment');
INSERT INTO "auth_permission" VALUES(22,6,'change_attachment','Can change Attachment');
INSERT INTO "auth_permission" VALUES(23,6,'delete_attachment','Can delete Attachment');
INSERT INTO "auth_permission" VALUES(24,6,'view_attachment','Can view Attachment');
INSERT INTO "auth_permission" VALUES(25,7,'add_email','Can add Email');
INSERT INTO "auth_permission" VALUES(26,7,'change_email','Can change Email');
INSERT INTO "auth_permission" VALUES(27,7,'delete_email','Can delete Email');
INSERT INTO "auth_permission" VALUES(28,7,'view_email','Can view Email');
INSERT INTO "auth_permission" VALUES(29,8,'add_emailtemplate','Can add Email Template');
INSERT INTO "auth_permission" VALUES(30,8,'change_emailtemplate','Can change Email Template');
INSERT INTO "auth_permission" VALUES(31,8,'delete_emailtemplate','Can delete Email Template');
INSERT INTO "auth_permission" VALUES(32,8,'view_emailtemplate','Can view Email Template');
INSERT INTO "auth_permission" VALUES(33,9,'add_log','Can add Log');
INSERT INTO "auth_permission" VALUES(34,9,'change_log','Can change Log');
INSERT INTO "auth_permission" VALUES(35,9,'delete_log','Can delete Log');
INSERT INTO "auth_permission" VALUES(36,9,'view_log','Can view Log');
INSERT INTO "auth_permission" VALUES(37,10,'add_auditcheckpoint','Can add audit checkpoint');
INSERT INTO "auth_permission" VALUES(38,10,'change_auditcheckpoint','Can change audit checkpoint');
INSERT INTO "auth_permission" VALUES(39,10,'delete_auditcheckpoint','Can delete audit checkpoint');
INSERT INTO "auth_permission" VALUES(40,10,'view_auditcheckpoint','Can view audit checkpoint');
INSERT INTO "auth_permission" VALUES(41,11,'add_auditnode','Can add audit node');
INSERT INTO "auth_permission" VALUES(42,11,'change_auditnode','Can change audit node');
INSERT INTO "auth_permission" VALUES(43,11,'delete_auditnode','Can delete audit node');
INSERT INTO "auth_permission" VALUES(44,11,'view_auditnode','Can view audit node');
INSERT INTO "auth_permission" VALUES(45,12,'add_eventterm','Can add event term');
INSERT INTO "auth_permission" VALUES(46,12,'change_eventterm','Can change event term');
INSERT INTO "auth_permission" VALUES(47,12,'delete_eventterm','Can delete event term');
INSERT INTO "auth_permission" VALUES(48,12,'view_eventterm','Can view event term');
INSERT INTO "auth_permission" VALUES(49,13,'add_auditevent','Can add audit event');
INSERT INTO "auth_permission" VALUES(50,13,'change_auditevent','Can change audit event');
INSERT INTO "auth_permission" VALUES(51,13,'delete_auditevent','Can delete audit event');
INSERT INTO "auth_permission" VALUES(52,13,'view_auditevent','Can view audit event');
INSERT INTO "auth_permission" VALUES(53,14,'add_account','Can add account');
INSERT INTO "auth_permission" VALUES(54,14,'change_account','Can change account');
INSERT INTO "auth_permission" VALUES(55,14,'delete_account','Can delete account');
INSERT INTO "auth_permission" VALUES(56,14,'view_account','Can view account');
INSERT INTO "auth_permission" VALUES(57,15,'add_cataloguepermission','Can add catalogue permission');
INSERT INTO "auth_permission" VALUES(58,15,'change_cataloguepermission','Can change catalogue permission');
INSERT INTO "auth_permission" VALUES(59,15,'delete_cataloguepermission','Can delete catalogue permission');
INSERT INTO "auth_permission" VALUES(60,15,'view_cataloguepermission','Can view catalogue permission');
INSERT INTO "auth_permission" VALUES(61,16,'add_noticekey','Can add notice key');
INSERT INTO "auth_permission" VALUES(62,16,'change_noticekey','Can change notice key');
INSERT INTO "auth_permission" VALUES(63,16,'delete_noticekey','Can delete notice key');
INSERT INTO "auth_permission" VALUES(64,16,'view_noticekey','Can view notice key');
INSERT INTO "auth_permission" VALUES(65,17,'add_pushposition','Can add push position');
INSERT INTO "auth_permission" VALUES(66,17,'change_pushposition','Can change push position');
INSERT INTO "auth_permission" VALUES(67,17,'delete_pushposition','Can delete push position');
INSERT INTO "auth_permission" VALUES(68,17,'view_pushposition','Can view push position');
INSERT INTO "auth_permission" VALUES(69,18,'add_reconcilerun','Can add reconcile run');
INSERT INTO "auth_permission" VALUES(70,18,'change_reconcilerun','Can change reconcile run');
INSERT INTO "auth_permission" VALUES(71,18,'delete_reconcilerun','Can delete reconcile run');
INSERT INTO "auth_permission" VALUES(72,18,'view_reconcilerun','Can view reconcile run');
INSERT INTO "auth_permission" VALUES(73,19,'add_signin','Can add sign in');
INSERT INTO "auth_permission" VALUES(74,19,'change_signin','Can change sign in');
INSERT INTO "auth_permission" VALUES(75,19,'delete_signin','Can delete sign in');
INSERT INTO "auth_permission" VALUES(76,19,'view_signin','Can view sign in');
INSERT INTO "auth_permission" VALUES(77,20,'add_team','Can add team');
INSERT INTO "auth_permission" VALUES(78,20,'change_team','Can change team');
INSERT INTO "auth_permission" VALUES(79,20,'delete_team','Can delete team');
INSERT INTO "auth_permission" VALUES(80,20,'view_team','Can view team');
INSERT INTO "auth_permission" VALUES(81,21,'add_accessreview','Can add access review');
INSERT INTO "auth_permission" VALUES(82,21,'change_accessreview','Can change access review');
INSERT INTO "auth_permission" VALUES(83,21,'delete_accessreview','Can delete access review');
INSERT INTO "auth_permission" VALUES(84,21,'view_accessreview','Can view access review');
INSERT INTO "auth_permission" VALUES(85,22,'add_accountcheck','Can add account check');
INSERT INTO "auth_permission" VALUES(86,22,'change_accountcheck','Can change account check');
INSERT INTO "auth_permission" VALUES(87,22,'delete_accountcheck','Can delete account check');
INSERT INTO "auth_permission" VALUES(88,22,'view_accountcheck','Can view account check');
INSERT INTO "auth_permission" VALUES(89,23,'add_apikey','Can add api key');
INSERT INTO "auth_permission" VALUES(90,23,'change_apikey','Can change api key');
INSERT INTO "auth_permission" VALUES(91,23,'delete_apikey','Can delete api key');
INSERT INTO "auth_permission" VALUES(92,23,'view_apikey','Can view api key');
INSERT INTO "auth_permission" VALUES(93,24,'add_catalogueobservation','Can add catalogue observation');
INSERT INTO "auth_permission" VALUES(94,24,'change_catalogueobservation','Can change catalogue observation');
INSERT INTO "auth_permission" VALUES(95,24,'delete_catalogueobservation','Can delete catalogue observation');
INSERT INTO "auth_permission" VALUES(96,24,'view_catalogueobservation','Can view catalogue observation');
INSERT INTO "auth_permission" VALUES(97,25,'add_feedtoken','Can add feed token');
INSERT INTO "auth_permission" VALUES(98,25,'change_feedtoken','Can change feed token');
INSERT INTO "auth_permission" VALUES(99,25,'delete_feedtoken','Can delete feed token');
INSERT INTO "auth_permission" VALUES(100,25,'view_feedtoken','Can view feed token');
INSERT INTO "auth_permission" VALUES(101,26,'add_issuance','Can add issuance');
INSERT INTO "auth_permission" VALUES(102,26,'change_issuance','Can change issuance');
INSERT INTO "auth_permission" VALUES(103,26,'delete_issuance','Can delete issuance');
INSERT INTO "auth_permission" VALUES(104,26,'view_issuance','Can view issuance');
INSERT INTO "auth_permission" VALUES(105,27,'add_keyrequest','Can add key request');
INSERT INTO "auth_permission" VALUES(106,27,'change_keyrequest','Can change key request');
INSERT INTO "auth_permission" VALUES(107,27,'delete_keyrequest','Can delete key request');
INSERT INTO "auth_permission" VALUES(108,27,'view_keyrequest','Can view key request');
INSERT INTO "auth_permission" VALUES(109,28,'add_comment','Can add comment');
INSERT INTO "auth_permission" VALUES(110,28,'change_comment','Can change comment');
INSERT INTO "auth_permission" VALUES(111,28,'delete_comment','Can delete comment');
INSERT INTO "auth_permission" VALUES(112,28,'view_comment','Can view comment');
INSERT INTO "auth_permission" VALUES(113,29,'add_approval','Can add approval');
INSERT INTO "auth_permission" VALUES(114,29,'change_approval','Can change approval');
INSERT INTO "auth_permission" VALUES(115,29,'delete_approval','Can delete approval');
INSERT INTO "auth_permission" VALUES(116,29,'view_approval','Can view approval');
INSERT INTO "auth_permission" VALUES(117,30,'add_narrowing','Can add narrowing');
INSERT INTO "auth_permission" VALUES(118,30,'change_narrowing','Can change narrowing');
INSERT INTO "auth_permission" VALUES(119,30,'delete_narrowing','Can delete narrowing');
INSERT INTO "auth_permission" VALUES(120,30,'view_narrowing','Can view narrowing');
INSERT INTO "auth_permission" VALUES(121,31,'add_probe','Can add probe');
INSERT INTO "auth_permission" VALUES(122,31,'change_probe','Can change probe');
INSERT INTO "auth_permission" VALUES(123,31,'delete_probe','Can delete probe');
INSERT INTO "auth_permission" VALUES(124,31,'view_probe','Can view probe');
INSERT INTO "auth_permission" VALUES(125,32,'add_repeat','Can add repeat');
INSERT INTO "auth_permission" VALUES(126,32,'change_repeat','Can change repeat');
INSERT INTO "auth_permission" VALUES(127,32,'delete_repeat','Can delete repeat');
INSERT INTO "auth_permission" VALUES(128,32,'view_repeat','Can view repeat');
INSERT INTO "auth_permission" VALUES(129,33,'add_reviewedkey','Can add reviewed key');
INSERT INTO "auth_permission" VALUES(130,33,'change_reviewedkey','Can change reviewed key');
INSERT INTO "auth_permission" VALUES(131,33,'delete_reviewedkey','Can delete reviewed key');
INSERT INTO "auth_permission" VALUES(132,33,'view_reviewedkey','Can view reviewed key');
INSERT INTO "auth_permission" VALUES(133,34,'add_delegation','Can add delegation');
INSERT INTO "auth_permission" VALUES(134,34,'change_delegation','Can change delegation');
INSERT INTO "auth_permission" VALUES(135,34,'delete_delegation','Can delete delegation');
INSERT INTO "auth_permission" VALUES(136,34,'view_delegation','Can view delegation');
INSERT INTO "auth_permission" VALUES(137,35,'add_approvalrule','Can add approval rule');
INSERT INTO "auth_permission" VALUES(138,35,'change_approvalrule','Can change approval rule');
INSERT INTO "auth_permission" VALUES(139,35,'delete_approvalrule','Can delete approval rule');
INSERT INTO "auth_permission" VALUES(140,35,'view_approvalrule','Can view approval rule');
INSERT INTO "auth_permission" VALUES(141,36,'add_teammembership','Can add team membership');
INSERT INTO "auth_permission" VALUES(142,36,'change_teammembership','Can change team membership');
INSERT INTO "auth_permission" VALUES(143,36,'delete_teammembership','Can delete team membership');
INSERT INTO "auth_permission" VALUES(144,36,'view_teammembership','Can view team membership');
INSERT INTO "auth_permission" VALUES(145,37,'add_unmanagedkey','Can add unmanaged key');
INSERT INTO "auth_permission" VALUES(146,37,'change_unmanagedkey','Can change unmanaged key');
INSERT INTO "auth_permission" VALUES(147,37,'delete_unmanagedkey','Can delete unmanaged key');
INSERT INTO "auth_permission" VALUES(148,37,'view_unmanagedkey','Can view unmanaged key');
INSERT INTO "auth_permission" VALUES(149,38,'add_webhook','Can add webhook');
INSERT INTO "auth_permission" VALUES(150,38,'change_webhook','Can change webhook');
INSERT INTO "auth_permission" VALUES(151,38,'delete_webhook','Can delete webhook');
INSERT INTO "auth_permission" VALUES(152,38,'view_webhook','Can view webhook');
INSERT INTO "auth_permission" VALUES(153,39,'add_webhookdelivery','Can add webhook delivery');
INSERT INTO "auth_permission" VALUES(154,39,'change_webhookdelivery','Can change webhook delivery');
INSERT INTO "auth_permission" VALUES(155,39,'delete_webhookdelivery','Can delete webhook delivery');
INSERT INTO "auth_permission" VALUES(156,39,'view_webhookdelivery','Can view webhook delivery');
INSERT INTO "auth_permission" VALUES(157,40,'add_permission','Can add permission');
INSERT INTO "auth_permission" VALUES(158,40,'change_permission','Can change permission');
INSERT INTO "auth_permission" VALUES(159,40,'delete_permission','Can delete permission');
INSERT INTO "auth_permission" VALUES(160,40,'view_permission','Can view permission');
INSERT INTO "auth_permission" VALUES(161,41,'add_group','Can add group');
INSERT INTO "auth_permission" VALUES(162,41,'change_group','Can change group');
INSERT INTO "auth_permission" VALUES(163,41,'delete_group','Can delete group');
INSERT INTO "auth_permission" VALUES(164,41,'view_group','Can view group');
INSERT INTO "auth_permission" VALUES(165,42,'add_user','Can add user');
INSERT INTO "auth_permission" VALUES(166,42,'change_user','Can change user');
INSERT INTO "auth_permission" VALUES(167,42,'delete_user','Can delete user');
INSERT INTO "auth_permission" VALUES(168,42,'view_user','Can view user');
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
INSERT INTO "auth_user" VALUES(1,'','2026-11-28 00:12:59.221676',0,'engineer','Person','',0,1,'2026-11-28 00:12:57.945485','Engineer');
INSERT INTO "auth_user" VALUES(2,'',NULL,0,'colleague','Person','',0,1,'2026-11-28 00:12:57.947725','Colleague');
INSERT INTO "auth_user" VALUES(3,'','2026-11-28 00:12:59.140639',0,'lead','Person','',0,1,'2026-11-28 00:12:57.949422','Lead');
INSERT INTO "auth_user" VALUES(4,'',NULL,0,'colead','Person','',0,1,'2026-11-28 00:12:57.950972','Colead');
INSERT INTO "auth_user" VALUES(5,'',NULL,0,'engineer2','Person','',0,1,'2026-11-28 00:12:57.952526','Engineer2');
INSERT INTO "auth_user" VALUES(6,'',NULL,0,'lead2','Person','',0,1,'2026-11-28 00:12:57.954116','Lead2');
INSERT INTO "auth_user" VALUES(7,'',NULL,0,'security','Person','',0,1,'2026-11-28 00:12:57.955597','Security');
INSERT INTO "auth_user" VALUES(8,'',NULL,0,'security2','Person','',0,1,'2026-11-28 00:12:57.956665','Security2');
INSERT INTO "auth_user" VALUES(9,'',NULL,1,'admin','Person','',1,1,'2026-11-28 00:12:57.957707','Admin');
INSERT INTO "auth_user" VALUES(10,'',NULL,0,'stranger','Person','',0,1,'2026-11-28 00:12:57.958119','Stranger');
CREATE TABLE "auth_user_groups" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "auth_user_groups" VALUES(1,1,1);
INSERT INTO "auth_user_groups" VALUES(2,2,1);
INSERT INTO "auth_user_groups" VALUES(3,3,2);
INSERT INTO "auth_user_groups" VALUES(4,4,2);
INSERT INTO "auth_user_groups" VALUES(5,5,1);
INSERT INTO "auth_user_groups" VALUES(6,6,2);
INSERT INTO "auth_user_groups" VALUES(7,7,3);
INSERT INTO "auth_user_groups" VALUES(8,8,3);
CREATE TABLE "auth_user_user_permissions" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "django_admin_log" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "object_id" text NULL, "object_repr" varchar(200) NOT NULL, "action_flag" smallint unsigned NOT NULL CHECK ("action_flag" >= 0), "change_message" text NOT NULL, "content_type_id" integer NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "action_time" datetime NOT NULL);
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
INSERT INTO "django_content_type" VALUES(1,'admin','logentry');
INSERT INTO "django_content_type" VALUES(2,'contenttypes','contenttype');
INSERT INTO "django_content_type" VALUES(3,'sessions','session');
INSERT INTO "django_content_type" VALUES(4,'account','emailaddress');
INSERT INTO "django_content_type" VALUES(5,'account','emailconfirmation');
INSERT INTO "django_content_type" VALUES(6,'post_office','attachment');
INSERT INTO "django_content_type" VALUES(7,'post_office','email');
INSERT INTO "django_content_type" VALUES(8,'post_office','emailtemplate');
INSERT INTO "django_content_type" VALUES(9,'post_office','log');
INSERT INTO "django_content_type" VALUES(10,'audit','auditcheckpoint');
INSERT INTO "django_content_type" VALUES(11,'audit','auditnode');
INSERT INTO "django_content_type" VALUES(12,'audit','eventterm');
INSERT INTO "django_content_type" VALUES(13,'audit','auditevent');
INSERT INTO "django_content_type" VALUES(14,'keys_app','account');
INSERT INTO "django_content_type" VALUES(15,'keys_app','cataloguepermission');
INSERT INTO "django_content_type" VALUES(16,'keys_app','noticekey');
INSERT INTO "django_content_type" VALUES(17,'keys_app','pushposition');
INSERT INTO "django_content_type" VALUES(18,'keys_app','reconcilerun');
INSERT INTO "django_content_type" VALUES(19,'keys_app','signin');
INSERT INTO "django_content_type" VALUES(20,'keys_app','team');
INSERT INTO "django_content_type" VALUES(21,'keys_app','accessreview');
INSERT INTO "django_content_type" VALUES(22,'keys_app','accountcheck');
INSERT INTO "django_content_type" VALUES(23,'keys_app','apikey');
INSERT INTO "django_content_type" VALUES(24,'keys_app','catalogueobservation');
INSERT INTO "django_content_type" VALUES(25,'keys_app','feedtoken');
INSERT INTO "django_content_type" VALUES(26,'keys_app','issuance');
INSERT INTO "django_content_type" VALUES(27,'keys_app','keyrequest');
INSERT INTO "django_content_type" VALUES(28,'keys_app','comment');
INSERT INTO "django_content_type" VALUES(29,'keys_app','approval');
INSERT INTO "django_content_type" VALUES(30,'keys_app','narrowing');
INSERT INTO "django_content_type" VALUES(31,'keys_app','probe');
INSERT INTO "django_content_type" VALUES(32,'keys_app','repeat');
INSERT INTO "django_content_type" VALUES(33,'keys_app','reviewedkey');
INSERT INTO "django_content_type" VALUES(34,'keys_app','delegation');
INSERT INTO "django_content_type" VALUES(35,'keys_app','approvalrule');
INSERT INTO "django_content_type" VALUES(36,'keys_app','teammembership');
INSERT INTO "django_content_type" VALUES(37,'keys_app','unmanagedkey');
INSERT INTO "django_content_type" VALUES(38,'keys_app','webhook');
INSERT INTO "django_content_type" VALUES(39,'keys_app','webhookdelivery');
INSERT INTO "django_content_type" VALUES(40,'auth','permission');
INSERT INTO "django_content_type" VALUES(41,'auth','group');
INSERT INTO "django_content_type" VALUES(42,'auth','user');
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
INSERT INTO "django_migrations" VALUES(1,'contenttypes','0001_initial','2026-11-28 00:12:55.942542');
INSERT INTO "django_migrations" VALUES(2,'auth','0001_initial','2026-11-28 00:12:55.950551');
INSERT INTO "django_migrations" VALUES(3,'account','0001_initial','2026-11-28 00:12:55.958643');
INSERT INTO "django_migrations" VALUES(4,'account','0002_email_max_length','2026-11-28 00:12:55.963590');
INSERT INTO "django_migrations" VALUES(5,'account','0003_alter_emailaddress_create_unique_verified_email','2026-11-28 00:12:55.972756');
INSERT INTO "django_migrations" VALUES(6,'account','0004_alter_emailaddress_drop_unique_email','2026-11-28 00:12:55.978842');
INSERT INTO "django_migrations" VALUES(7,'account','0005_emailaddress_idx_upper_email','2026-11-28 00:12:55.983787');
INSERT INTO "django_migrations" VALUES(8,'account','0006_emailaddress_lower','2026-11-28 00:12:55.989737');
INSERT INTO "django_migrations" VALUES(9,'account','0007_emailaddress_idx_email','2026-11-28 00:12:55.997950');
INSERT INTO "django_migrations" VALUES(10,'account','0008_emailaddress_unique_primary_email_fixup','2026-11-28 00:12:56.003654');
INSERT INTO "django_migrations" VALUES(11,'account','0009_emailaddress_unique_primary_email','2026-11-28 00:12:56.008528');
INSERT INTO "django_migrations" VALUES(12,'admin','0001_initial','2026-11-28 00:12:56.015869');
INSERT INTO "django_migrations" VALUES(13,'admin','0002_logentry_remove_auto_add','2026-11-28 00:12:56.024019');
INSERT INTO "django_migrations" VALUES(14,'admin','0003_logentry_add_action_flag_choices','2026-11-28 00:12:56.029205');
INSERT INTO "django_migrations" VALUES(15,'audit','0001_initial','2026-11-28 00:12:56.039002');
INSERT INTO "django_migrations" VALUES(16,'audit','0002_append_only','2026-11-28 00:12:56.044600');
INSERT INTO "django_migrations" VALUES(17,'contenttypes','0002_remove_content_type_name','2026-11-28 00:12:56.055383');
INSERT INTO "django_migrations" VALUES(18,'auth','0002_alter_permission_name_max_length','2026-11-28 00:12:56.063748');
INSERT INTO "django_migrations" VALUES(19,'auth','0003_alter_user_email_max_length','2026-11-28 00:12:56.069724');
INSERT INTO "django_migrations" VALUES(20,'auth','0004_alter_user_username_opts','2026-11-28 00:12:56.073894');
INSERT INTO "django_migrations" VALUES(21,'auth','0005_alter_user_last_login_null','2026-11-28 00:12:56.079506');
INSERT INTO "django_migrations" VALUES(22,'auth','0006_require_contenttypes_0002','2026-11-28 00:12:56.080503');
INSERT INTO "django_migrations" VALUES(23,'auth','0007_alter_validators_add_error_messages','2026-11-28 00:12:56.084272');
INSERT INTO "django_migrations" VALUES(24,'auth','0008_alter_user_username_max_length','2026-11-28 00:12:56.089568');
INSERT INTO "django_migrations" VALUES(25,'auth','0009_alter_user_last_name_max_length','2026-11-28 00:12:56.094868');
INSERT INTO "django_migrations" VALUES(26,'auth','0010_alter_group_name_max_length','2026-11-28 00:12:56.100642');
INSERT INTO "django_migrations" VALUES(27,'auth','0011_update_proxy_permissions','2026-11-28 00:12:56.107724');
INSERT INTO "django_migrations" VALUES(28,'auth','0012_alter_user_first_name_max_length','2026-11-28 00:12:56.113425');
INSERT INTO "django_migrations" VALUES(29,'keys_app','0001_initial','2026-11-28 00:12:57.386250');
INSERT INTO "django_migrations" VALUES(30,'keys_app','0002_database_rules','2026-11-28 00:12:57.408964');
INSERT INTO "django_migrations" VALUES(31,'keys_app','0003_groups','2026-11-28 00:12:57.429041');
INSERT INTO "django_migrations" VALUES(32,'post_office','0001_initial','2026-11-28 00:12:57.442121');
INSERT INTO "django_migrations" VALUES(33,'post_office','0002_add_i18n_and_backend_alias','2026-11-28 00:12:57.631097');
INSERT INTO "django_migrations" VALUES(34,'post_office','0003_longer_subject','2026-11-28 00:12:57.645213');
INSERT INTO "django_migrations" VALUES(35,'post_office','0004_auto_20160607_0901','2026-11-28 00:12:57.708969');
INSERT INTO "django_migrations" VALUES(36,'post_office','0005_auto_20170515_0013','2026-11-28 00:12:57.718624');
INSERT INTO "django_migrations" VALUES(37,'post_office','0006_attachment_mimetype','2026-11-28 00:12:57.728337');
INSERT INTO "django_migrations" VALUES(38,'post_office','0007_auto_20170731_1342','2026-11-28 00:12:57.733221');
INSERT INTO "django_migrations" VALUES(39,'post_office','0008_attachment_headers','2026-11-28 00:12:57.740091');
INSERT INTO "django_migrations" VALUES(40,'post_office','0009_requeued_mode','2026-11-28 00:12:57.755174');
INSERT INTO "django_migrations" VALUES(41,'post_office','0010_message_id','2026-11-28 00:12:57.780599');
INSERT INTO "django_migrations" VALUES(42,'post_office','0011_models_help_text','2026-11-28 00:12:57.790691');
INSERT INTO "django_migrations" VALUES(43,'post_office','0012_alter_attachment_file_storage','2026-11-28 00:12:57.798745');
INSERT INTO "django_migrations" VALUES(44,'post_office','0013_email_recipient_delivery_status_alter_log_status','2026-11-28 00:12:57.807875');
INSERT INTO "django_migrations" VALUES(45,'post_office','0014_alter_email_recipient_delivery_status_and_more','2026-11-28 00:12:57.816972');
INSERT INTO "django_migrations" VALUES(46,'sessions','0001_initial','2026-11-28 00:12:57.820020');
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
CREATE TABLE "keys_app_accessreview" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "quarter" varchar(7) NOT NULL UNIQUE, "opened_at" datetime NOT NULL, "closed_at" datetime NULL, "closed_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "opened_by_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_account" ("allowed_products" text NOT NULL CHECK ((JSON_VALID("allowed_products") OR "allowed_products" IS NULL)), "forbidden_permissions" text NOT NULL CHECK ((JSON_VALID("forbidden_permissions") OR "forbidden_permissions" IS NULL)), "max_risk" varchar(10) NOT NULL, "sid" varchar(34) NOT NULL PRIMARY KEY, "name" varchar(80) NOT NULL, "environment" varchar(20) NOT NULL, "max_lifetime_days" smallint unsigned NULL CHECK ("max_lifetime_days" >= 0), "leads_required" smallint unsigned NOT NULL CHECK ("leads_required" >= 0), "is_active" bool NOT NULL, "credential_user" varchar(34) NOT NULL, "credential_ciphertext" text NOT NULL, "connected_at" datetime NOT NULL, CONSTRAINT "account_has_a_credential" CHECK (NOT ("credential_ciphertext" = '')), CONSTRAINT "account_leads_required_in_range" CHECK ("leads_required" BETWEEN 1 AND 2));
INSERT INTO "keys_app_account" VALUES('[]','[]','','ACc0a257cdb74a8d9af12a80e1060c52f5','Shop','staging',NULL,1,1,'SK4a2957e97476b0dadb6a9d80c1429ccc','not in this dump','2026-11-28 00:12:57.942675');
INSERT INTO "keys_app_account" VALUES('[]','[]','','AC00000000000000000000000000000002','Helpdesk','staging',NULL,1,1,'SK00000000000000000000000000000000','not in this dump','2026-11-28 00:12:57.944406');
CREATE TABLE "keys_app_account_teams" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "keys_app_account_teams" VALUES(1,'ACc0a257cdb74a8d9af12a80e1060c52f5',1);
INSERT INTO "keys_app_account_teams" VALUES(2,'AC00000000000000000000000000000002',2);
CREATE TABLE "keys_app_accountcheck" ("account_id" varchar(34) NOT NULL PRIMARY KEY REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "last_complete_at" datetime NULL, "keys_listed" integer unsigned NOT NULL CHECK ("keys_listed" >= 0), "failed_runs" integer unsigned NOT NULL CHECK ("failed_runs" >= 0), "failing_since" datetime NULL, "last_error" varchar(400) NOT NULL);
CREATE TABLE "keys_app_apikey" ("sid" varchar(34) NOT NULL PRIMARY KEY, "friendly_name" varchar(64) NOT NULL, "policy_json" text NOT NULL, "state" varchar(10) NOT NULL, "issued_at" datetime NOT NULL, "expires_at" datetime NOT NULL, "confirmed_at" datetime NULL, "retires_at" datetime NULL, "adopted_at" datetime NULL, "revoked_at" datetime NULL, "revoke_reason" text NOT NULL, "reminded_days" smallint unsigned NULL CHECK ("reminded_days" >= 0), "checked_at" datetime NULL, "drift_json" text NOT NULL, "missing_since" datetime NULL, "handover_by" datetime NULL, "handover_warned_at" datetime NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "issuance_id" bigint NULL UNIQUE REFERENCES "keys_app_issuance" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "key_is_made_or_adopted" CHECK ((("adopted_at" IS NULL AND "issuance_id" IS NOT NULL AND "request_id" IS NOT NULL) OR ("adopted_at" IS NOT NULL AND "issuance_id" IS NULL AND "request_id" IS NULL AND "retires_at" IS NULL))), CONSTRAINT "made_key_has_a_policy" CHECK ((NOT ("policy_json" = '') OR "request_id" IS NULL)), CONSTRAINT "key_state_known" CHECK ("state" IN ('active', 'revoking', 'revoked')), CONSTRAINT "key_revoked_at_matches_state" CHECK ((("revoked_at" IS NOT NULL AND "state" = 'revoked') OR (NOT ("state" = 'revoked') AND "revoked_at" IS NULL))), CONSTRAINT "key_expires_after_issue" CHECK ("expires_at" > ("issued_at")));
INSERT INTO "keys_app_apikey" VALUES('SKba123244082b189eaade6d94e2f850cf','fresh [kp:4B7ICUIJ3QOV]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-28 00:12:58.220632','2026-12-28 00:12:58.220632',NULL,NULL,NULL,NULL,'',NULL,'2026-11-28 00:12:58.220632','',NULL,NULL,NULL,'ACc0a257cdb74a8d9af12a80e1060c52f5',1,1,'dce498cbb2604cfea15f3cf37f6eec94',1);
INSERT INTO "keys_app_apikey" VALUES('SK9e480414ebf36e912b30c99081851702','confirmed [kp:EFC2UZRKZWW4]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-28 00:12:58.359269','2026-12-28 00:12:58.359269','2026-11-28 00:12:58.737806',NULL,NULL,NULL,'',NULL,'2026-11-28 00:12:58.359269','',NULL,NULL,NULL,'ACc0a257cdb74a8d9af12a80e1060c52f5',1,2,'e07a08f054b84e34966eed23ff950ac7',1);
INSERT INTO "keys_app_apikey" VALUES('SKc1b72e8569af48cf15b1c54ce86da4c6','retiring [kp:C6F4ND7CVAL2]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-28 00:12:58.585095','2026-12-28 00:12:58.585095',NULL,'2026-11-29 00:12:58.764356',NULL,NULL,'',NULL,'2026-11-28 00:12:58.585095','',NULL,NULL,NULL,'ACc0a257cdb74a8d9af12a80e1060c52f5',1,3,'cf6cf618b43e482081023802eaa1e0a1',1);
INSERT INTO "keys_app_apikey" VALUES('SKaa9a72422b77cee248686dea68e60e79','revoked [kp:AYZ4BESTQEBD]','{"allow":["/twilio/billing/usage/read"]}','revoked','2026-11-28 00:12:58.712421','2026-12-28 00:12:58.712421',NULL,NULL,NULL,'2026-11-28 00:12:58.785301','No longer needed.',NULL,'2026-11-28 00:12:58.712421','',NULL,NULL,NULL,'ACc0a257cdb74a8d9af12a80e1060c52f5',1,4,'188153dea86e483c97740602a204f7ed',1);
INSERT INTO "keys_app_apikey" VALUES('SK1bb9e58ad1fc758de428cee239eb40c2','retiring [kp:PAI4TSFWXNLO]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-28 00:12:58.765349','2026-12-28 00:12:58.585095',NULL,NULL,NULL,NULL,'',NULL,'2026-11-28 00:12:58.765349','',NULL,NULL,NULL,'ACc0a257cdb74a8d9af12a80e1060c52f5',1,5,'cf6cf618b43e482081023802eaa1e0a1',1);
CREATE TABLE "keys_app_approval" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "capacity" varchar(10) NOT NULL, "rule_name" varchar(80) NOT NULL, "decision" varchar(10) NOT NULL, "stage" smallint unsigned NOT NULL CHECK ("stage" >= 0), "content_digest" varchar(64) NOT NULL, "reason" text NOT NULL, "created_at" datetime NOT NULL, "void_at" datetime NULL, "void_reason" text DEFAULT '' NOT NULL, "approver_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "authority_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "void_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "rejection_has_a_reason" CHECK (("decision" = 'approved' OR NOT ("reason" = ''))), CONSTRAINT "decided_by_a_person_or_a_rule" CHECK ((("approver_id" IS NOT NULL AND "rule_name" = '') OR (NOT ("rule_name" = '') AND "approver_id" IS NULL AND "capacity" = 'rule' AND "decision" = 'approved'))), CONSTRAINT "void_approval_has_a_reason" CHECK ((("void_at" IS NULL AND "void_by_id" IS NULL AND "void_reason" = '') OR ("decision" = 'approved' AND "void_at" IS NOT NULL AND NOT ("void_reason" = '')))));
INSERT INTO "keys_app_approval" VALUES(1,'lead','','approved',1,'ca9ce79eb50f3bd2b27b04afa5bf4a6f4c9484b95297890bc7ea78fec3679aa0','','2026-11-28 00:12:58.166441',NULL,'',3,3,NULL,'dce498cbb2604cfea15f3cf37f6eec94');
INSERT INTO "keys_app_approval" VALUES(2,'lead','','approved',1,'b7f25bf3e3704b2a1db66e48871e17b3b868c92ec7efdc17c579a04abf157d30','','2026-11-28 00:12:58.320001',NULL,'',3,3,NULL,'e07a08f054b84e34966eed23ff950ac7');
INSERT INTO "keys_app_approval" VALUES(3,'lead','','approved',1,'026aa585ceb27cac8824c53945522aeabfb21a3b32f71898927b98cfc58b9c92','','2026-11-28 00:12:58.541200',NULL,'',3,3,NULL,'cf6cf618b43e482081023802eaa1e0a1');
INSERT INTO "keys_app_approval" VALUES(4,'lead','','approved',1,'50c4e6abb080198fd2f4091ee29e578d1cefdeecdf04552f5e87214675d8b75c','','2026-11-28 00:12:58.669579',NULL,'',3,3,NULL,'188153dea86e483c97740602a204f7ed');
INSERT INTO "keys_app_approval" VALUES(5,'lead','','approved',1,'7f4f7df976ae6830c695bd5294d58d000cc8c938295b37c1445aeeee9c9bd3ca','','2026-11-28 00:12:58.916124',NULL,'',3,3,NULL,'4a13fda0ce3640f6968a0fab383521c5');
INSERT INTO "keys_app_approval" VALUES(6,'lead','','approved',1,'da444736fb386595cc069fe79e16cde1d233ee26034fa372aa918343b8f796a0','','2026-11-28 00:12:59.014486',NULL,'',3,3,NULL,'00e71c0795e34d5493cbdcc55ac43adc');
INSERT INTO "keys_app_approval" VALUES(7,'lead','','approved',1,'496acf479f3cadde972b8548e1d5cddaec27e65f748098bca16af6c9a7d1f20e','Less is enough.','2026-11-28 00:12:59.098123',NULL,'',3,3,NULL,'d45a172788204c32b97b93080dd7e23b');
INSERT INTO "keys_app_approval" VALUES(8,'lead','','rejected',1,'2c00a6e09e97f1cfdf6a82760ddc4a35045cdec4946a546c5aecf8e061845fff','Use the shared one.','2026-11-28 00:12:59.181981',NULL,'',3,3,NULL,'523286abaa9646c09ce6b67b3a6f192b');
CREATE TABLE "keys_app_approvalrule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(80) NOT NULL UNIQUE, "template" varchar(60) NOT NULL, "environment" varchar(20) NOT NULL, "max_lifetime_days" smallint unsigned NOT NULL CHECK ("max_lifetime_days" >= 0), "is_active" bool NOT NULL, "team_id" bigint NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_catalogueobservation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "permission" varchar(200) NOT NULL, "accepted" bool NOT NULL, "seen_at" datetime NOT NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "one_observation_per_permission" UNIQUE ("account_id", "permission"));
CREATE TABLE "keys_app_cataloguepermission" ("name" varchar(200) NOT NULL PRIMARY KEY, "meaning" varchar(200) NOT NULL, "removed" bool NOT NULL);
CREATE TABLE "keys_app_comment" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "text" text NOT NULL, "created_at" datetime NOT NULL, "author_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_delegation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "starts_at" datetime NOT NULL, "ends_at" datetime NOT NULL, "created_at" datetime NOT NULL, "ended_at" datetime NULL, "deputy_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "lead_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "deputy_is_somebody_else" CHECK (NOT ("lead_id" = ("deputy_id"))), CONSTRAINT "delegation_ends_after_it_starts" CHECK ("ends_at" >= ("starts_at")));
CREATE TABLE "keys_app_feedtoken" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(80) NOT NULL, "digest" varchar(64) NOT NULL UNIQUE, "created_at" datetime NOT NULL, "expires_at" datetime NOT NULL, "warned_at" datetime NULL, "revoked_at" datetime NULL, "end_reason" varchar(80) NOT NULL, "last_used_at" datetime NULL, "last_recorded_at" datetime NULL, "created_by_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "feed_expires_after_it_was_created" CHECK ("expires_at" > ("created_at")));
CREATE TABLE "keys_app_issuance" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "number" smallint unsigned NOT NULL CHECK ("number" >= 0), "marker" varchar(12) NOT NULL UNIQUE, "state" varchar(20) NOT NULL, "started_at" datetime NOT NULL, "finished_at" datetime NULL, "twilio_code" integer NULL, "message" varchar(400) NOT NULL, "key_sid" varchar(34) NOT NULL, "orphan_sid" varchar(34) NOT NULL, "times_not_listed" smallint unsigned NOT NULL CHECK ("times_not_listed" >= 0), "overlap_hours" smallint unsigned NULL CHECK ("overlap_hours" >= 0), "rotates_id" varchar(34) NULL REFERENCES "keys_app_apikey" ("sid") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "issuances_are_numbered" UNIQUE ("request_id", "number"), CONSTRAINT "issuance_state_known" CHECK ("state" IN ('started', 'unknown', 'issued', 'refused', 'not_processed', 'never_created', 'orphan_deleted', 'breach')), CONSTRAINT "rotation_has_an_overlap" CHECK ((("overlap_hours" IS NULL AND "rotates_id" IS NULL) OR ("overlap_hours" IS NOT NULL AND "rotates_id" IS NOT NULL))));
INSERT INTO "keys_app_issuance" VALUES(1,1,'4B7ICUIJ3QOV','issued','2026-11-28 00:12:58.205745','2026-11-28 00:12:58.218727',NULL,'','SKba123244082b189eaade6d94e2f850cf','',0,NULL,NULL,'dce498cbb2604cfea15f3cf37f6eec94');
INSERT INTO "keys_app_issuance" VALUES(2,1,'EFC2UZRKZWW4','issued','2026-11-28 00:12:58.351968','2026-11-28 00:12:58.357980',NULL,'','SK9e480414ebf36e912b30c99081851702','',0,NULL,NULL,'e07a08f054b84e34966eed23ff950ac7');
INSERT INTO "keys_app_issuance" VALUES(3,1,'C6F4ND7CVAL2','issued','2026-11-28 00:12:58.577937','2026-11-28 00:12:58.583797',NULL,'','SKc1b72e8569af48cf15b1c54ce86da4c6','',0,NULL,NULL,'cf6cf618b43e482081023802eaa1e0a1');
INSERT INTO "keys_app_issuance" VALUES(4,1,'AYZ4BESTQEBD','issued','2026-11-28 00:12:58.704247','2026-11-28 00:12:58.710807',NULL,'','SKaa9a72422b77cee248686dea68e60e79','',0,NULL,NULL,'188153dea86e483c97740602a204f7ed');
INSERT INTO "keys_app_issuance" VALUES(5,2,'PAI4TSFWXNLO','issued','2026-11-28 00:12:58.755473','2026-11-28 00:12:58.762477',NULL,'','SK1bb9e58ad1fc758de428cee239eb40c2','',0,24,'SKc1b72e8569af48cf15b1c54ce86da4c6','cf6cf618b43e482081023802eaa1e0a1');
CREATE TABLE "keys_app_keyrequest" ("id" char(32) NOT NULL PRIMARY KEY, "friendly_name" varchar(46) NOT NULL, "purpose" text NOT NULL, "ticket_url" varchar(500) NOT NULL, "lifetime_days" smallint unsigned NOT NULL CHECK ("lifetime_days" >= 0), "policy_json" text NOT NULL, "content_digest" varchar(64) NOT NULL, "risk" varchar(10) NOT NULL, "leads_required" smallint unsigned NOT NULL CHECK ("leads_required" >= 0), "incident" varchar(40) NOT NULL, "template" varchar(60) NOT NULL, "state" varchar(10) NOT NULL, "created_at" datetime NOT NULL, "approved_at" datetime NULL, "claim_until" datetime NULL, "reopened_at" datetime NULL, "reopened_reason" text DEFAULT '' NOT NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "changes_key_id" varchar(34) NULL REFERENCES "keys_app_apikey" ("sid") DEFERRABLE INITIALLY DEFERRED, "requester_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "request_state_known" CHECK ("state" IN ('pending', 'approved', 'issuing', 'issued', 'failed', 'rejected', 'cancelled', 'lapsed')), CONSTRAINT "request_risk_known" CHECK ("risk" IN ('low', 'medium', 'high', 'critical')), CONSTRAINT "request_lifetime_in_range" CHECK ("lifetime_days" BETWEEN 1 AND 365), CONSTRAINT "request_approved_before_issuing" CHECK ((NOT ("state" IN ('approved', 'issuing', 'issued', 'failed')) OR "approved_at" IS NOT NULL)), CONSTRAINT "break_glass_key_lives_a_day_at_most" CHECK (("incident" = '' OR "lifetime_days" = 1)), CONSTRAINT "reopened_with_a_reason" CHECK ((("reopened_at" IS NULL AND "reopened_reason" = '') OR ("reopened_at" IS NOT NULL AND NOT ("reopened_reason" = '')))));
INSERT INTO "keys_app_keyrequest" VALUES('dce498cbb2604cfea15f3cf37f6eec94','fresh','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','ca9ce79eb50f3bd2b27b04afa5bf4a6f4c9484b95297890bc7ea78fec3679aa0','low',1,'','','issued','2026-11-28 00:12:58.069719','2026-11-28 00:12:58.167972','2026-12-01 00:12:58.167972',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('e07a08f054b84e34966eed23ff950ac7','confirmed','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','b7f25bf3e3704b2a1db66e48871e17b3b868c92ec7efdc17c579a04abf157d30','low',1,'','','issued','2026-11-28 00:12:58.248826','2026-11-28 00:12:58.321448','2026-12-01 00:12:58.321448',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('cf6cf618b43e482081023802eaa1e0a1','retiring','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','026aa585ceb27cac8824c53945522aeabfb21a3b32f71898927b98cfc58b9c92','low',1,'','','issued','2026-11-28 00:12:58.381928','2026-11-28 00:12:58.542508','2026-12-01 00:12:58.542508',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('188153dea86e483c97740602a204f7ed','revoked','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','50c4e6abb080198fd2f4091ee29e578d1cefdeecdf04552f5e87214675d8b75c','low',1,'','','issued','2026-11-28 00:12:58.609471','2026-11-28 00:12:58.670806','2026-12-01 00:12:58.670806',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('8e240038d33d4f739b219face5f1543f','waits','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','3a2da42dfdc59fbcf55552e9d151a7dc216914862b16817e570299ff048dfa89','low',1,'','','pending','2026-11-28 00:12:58.817386',NULL,NULL,NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('4a13fda0ce3640f6968a0fab383521c5','half-approved','A monthly report.','',30,'{"allow":["/twilio/iam/api-keys/create"]}','7f4f7df976ae6830c695bd5294d58d000cc8c938295b37c1445aeeee9c9bd3ca','critical',1,'','','pending','2026-11-28 00:12:58.853304',NULL,NULL,NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('00e71c0795e34d5493cbdcc55ac43adc','approved','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','da444736fb386595cc069fe79e16cde1d233ee26034fa372aa918343b8f796a0','low',1,'','','approved','2026-11-28 00:12:58.951342','2026-11-28 00:12:59.015694','2026-12-01 00:12:59.015694',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('d45a172788204c32b97b93080dd7e23b','narrowed','A monthly report.','',30,'{"allow":["/twilio/messaging/messages/list"]}','496acf479f3cadde972b8548e1d5cddaec27e65f748098bca16af6c9a7d1f20e','high',1,'','','approved','2026-11-28 00:12:59.035198','2026-11-28 00:12:59.099350','2026-12-01 00:12:59.099350',NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('523286abaa9646c09ce6b67b3a6f192b','refused','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','2c00a6e09e97f1cfdf6a82760ddc4a35045cdec4946a546c5aecf8e061845fff','low',1,'','','rejected','2026-11-28 00:12:59.122616',NULL,NULL,NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('886fb1f3432b441181208d077f9bbe3e','cancelled','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','dd5d5f05897b2ad99184681585335b2cd2a7d959c9353d1de863dfbb33063109','low',1,'','','cancelled','2026-11-28 00:12:59.201964',NULL,NULL,NULL,'','ACc0a257cdb74a8d9af12a80e1060c52f5',NULL,1,1);
CREATE TABLE "keys_app_narrowing" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "from_policy_json" text NOT NULL, "to_policy_json" text NOT NULL, "from_lifetime_days" smallint unsigned NOT NULL CHECK ("from_lifetime_days" >= 0), "to_lifetime_days" smallint unsigned NOT NULL CHECK ("to_lifetime_days" >= 0), "from_digest" varchar(64) NOT NULL, "to_digest" varchar(64) NOT NULL, "reason" text NOT NULL, "created_at" datetime NOT NULL, "approver_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "narrowed_once_from_the_same" UNIQUE ("request_id", "from_digest"), CONSTRAINT "narrowing_changes_something" CHECK (NOT ("from_digest" = ("to_digest"))), CONSTRAINT "narrowing_does_not_lengthen" CHECK (("to_lifetime_days" >= 1 AND "to_lifetime_days" <= ("from_lifetime_days"))), CONSTRAINT "narrowing_has_a_reason" CHECK (NOT ("reason" = '')));
INSERT INTO "keys_app_narrowing" VALUES(1,'{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}','{"allow":["/twilio/messaging/messages/list"]}',30,30,'d43bd91ff520b7c688f092380656a3706b01a7a5d7bcdb3c0946d193db3a3e96','496acf479f3cadde972b8548e1d5cddaec27e65f748098bca16af6c9a7d1f20e','Less is enough.','2026-11-28 00:12:59.095708',3,'d45a172788204c32b97b93080dd7e23b');
CREATE TABLE "keys_app_noticekey" ("id" char(32) NOT NULL PRIMARY KEY, "key" varchar(200) NOT NULL UNIQUE, "created_at" datetime NOT NULL);
INSERT INTO "keys_app_noticekey" VALUES('9aca143b903a4dff8941c3e23cc8fb68','audit.checkpoint:be1c0bf7e32fbcaa5f5a529ebd66a462e01796bf975b9809997560937e965c4e','2026-11-28 00:12:58.796069');
CREATE TABLE "keys_app_probe" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "marker" varchar(12) NOT NULL UNIQUE, "started_at" datetime NOT NULL, "in_flight_until" datetime NOT NULL, "finished_at" datetime NULL, "key_sid" varchar(34) NOT NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_pushposition" ("target" varchar(64) NOT NULL PRIMARY KEY, "sequence" bigint NOT NULL, "moved_at" datetime NULL, "holder" char(32) NULL, "held_until" datetime NULL);
CREATE TABLE "keys_app_reconcilerun" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "started_at" datetime NOT NULL, "finished_at" datetime NULL, "findings" text NOT NULL CHECK ((JSON_VALID("findings") OR "findings" IS NULL)), "found_something" bool NOT NULL, "error" varchar(400) NOT NULL);
CREATE TABLE "keys_app_repeat" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "action" varchar(60) NOT NULL, "hour" datetime NOT NULL, "actor_id" varchar(40) NOT NULL, "login" varchar(150) NOT NULL, "actor_name" varchar(320) NOT NULL, "address" varchar(45) NOT NULL, "key_sid" varchar(34) NOT NULL, "request_id" varchar(36) NOT NULL, "times" integer unsigned NOT NULL CHECK ("times" >= 0), CONSTRAINT "one_count_per_hour" UNIQUE ("action", "hour", "actor_id", "actor_name", "address", "key_sid", "request_id"));
CREATE TABLE "keys_app_reviewedkey" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "decision" varchar(10) NOT NULL, "note" text NOT NULL, "decided_at" datetime NULL, "decided_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "key_id" varchar(34) NOT NULL REFERENCES "keys_app_apikey" ("sid") DEFERRABLE INITIALLY DEFERRED, "review_id" bigint NOT NULL REFERENCES "keys_app_accessreview" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "one_review_of_a_key_at_a_time" UNIQUE ("review_id", "key_id"), CONSTRAINT "review_decision_has_a_person" CHECK ((("decided_at" IS NULL AND "decided_by_id" IS NULL AND "decision" = '') OR ("decided_at" IS NOT NULL AND "decided_by_id" IS NOT NULL AND "decision" IN ('kept', 'revoked')))), CONSTRAINT "review_revoked_with_a_note" CHECK ((NOT ("decision" = 'revoked') OR NOT ("note" = ''))));
CREATE TABLE "keys_app_signin" ("user_id" integer NOT NULL PRIMARY KEY REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "sessions_ended" integer unsigned NOT NULL CHECK ("sessions_ended" >= 0), "password_set_by" varchar(400) NOT NULL, "mail_set_by" varchar(400) NOT NULL);
CREATE TABLE "keys_app_team" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "allowed_products" text NOT NULL CHECK ((JSON_VALID("allowed_products") OR "allowed_products" IS NULL)), "forbidden_permissions" text NOT NULL CHECK ((JSON_VALID("forbidden_permissions") OR "forbidden_permissions" IS NULL)), "max_risk" varchar(10) NOT NULL, "name" varchar(80) NOT NULL UNIQUE, "max_lifetime_days" smallint unsigned NOT NULL CHECK ("max_lifetime_days" >= 0), "notice_email" varchar(254) NOT NULL, CONSTRAINT "team_max_lifetime_in_range" CHECK ("max_lifetime_days" BETWEEN 1 AND 365));
INSERT INTO "keys_app_team" VALUES(1,'[]','[]','','Payments',365,'');
INSERT INTO "keys_app_team" VALUES(2,'[]','[]','','Support',365,'');
CREATE TABLE "keys_app_teammembership" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "is_lead" bool NOT NULL, "may_break_glass" bool NOT NULL, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "one_membership_per_team" UNIQUE ("team_id", "user_id"));
INSERT INTO "keys_app_teammembership" VALUES(1,0,0,1,1);
INSERT INTO "keys_app_teammembership" VALUES(2,0,0,1,2);
INSERT INTO "keys_app_teammembership" VALUES(3,1,0,1,3);
INSERT INTO "keys_app_teammembership" VALUES(4,1,0,1,4);
INSERT INTO "keys_app_teammembership" VALUES(5,0,0,2,5);
INSERT INTO "keys_app_teammembership" VALUES(6,1,0,2,6);
CREATE TABLE "keys_app_unmanagedkey" ("sid" varchar(34) NOT NULL PRIMARY KEY, "friendly_name" varchar(200) NOT NULL, "created_at" datetime NULL, "first_seen" datetime NOT NULL, "last_seen" datetime NOT NULL, "missing_since" datetime NULL, "gone_at" datetime NULL, "checked_at" datetime NULL, "policy_json" text NOT NULL, "adopted_at" datetime NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "proposed_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "proposed_team_id" bigint NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "policy_was_looked_at" CHECK (("policy_json" = '' OR "checked_at" IS NOT NULL)));
CREATE TABLE "keys_app_webhook" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(80) NOT NULL, "kind" varchar(10) NOT NULL, "event_kinds" text NOT NULL CHECK ((JSON_VALID("event_kinds") OR "event_kinds" IS NULL)), "is_active" bool NOT NULL, "url_ciphertext" text NOT NULL, "url_host" varchar(260) NOT NULL, "signing_secret_ciphertext" text NOT NULL, "team_id" bigint NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "webhook_has_an_address" CHECK (NOT ("url_ciphertext" = '')), CONSTRAINT "webhook_is_signed" CHECK ((NOT ("kind" = 'generic') OR NOT ("signing_secret_ciphertext" = ''))));
CREATE TABLE "keys_app_webhookdelivery" ("id" char(32) NOT NULL PRIMARY KEY, "body" text NOT NULL, "created_at" datetime NOT NULL, "attempts" smallint unsigned NOT NULL CHECK ("attempts" >= 0), "next_try_at" datetime NOT NULL, "delivered_at" datetime NULL, "gave_up_at" datetime NULL, "last_error" varchar(200) NOT NULL, "webhook_id" bigint NOT NULL);
CREATE TABLE "post_office_attachment" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(255) NOT NULL, "mimetype" varchar(255) NOT NULL, "headers" text NULL CHECK ((JSON_VALID("headers") OR "headers" IS NULL)), "file" varchar(100) NOT NULL);
CREATE TABLE "post_office_attachment_emails" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "attachment_id" integer NOT NULL REFERENCES "post_office_attachment" ("id") DEFERRABLE INITIALLY DEFERRED, "email_id" integer NOT NULL REFERENCES "post_office_email" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "post_office_email" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "from_email" varchar(254) NOT NULL, "to" text NOT NULL, "cc" text NOT NULL, "bcc" text NOT NULL, "message" text NOT NULL, "html_message" text NOT NULL, "status" smallint unsigned NULL CHECK ("status" >= 0), "priority" smallint unsigned NULL CHECK ("priority" >= 0), "created" datetime NOT NULL, "last_updated" datetime NOT NULL, "scheduled_time" datetime NULL, "headers" text NULL CHECK ((JSON_VALID("headers") OR "headers" IS NULL)), "context" text NULL CHECK ((JSON_VALID("context") OR "context" IS NULL)), "template_id" integer NULL REFERENCES "post_office_emailtemplate" ("id") DEFERRABLE INITIALLY DEFERRED, "backend_alias" varchar(64) NOT NULL, "subject" varchar(989) NOT NULL, "number_of_retries" integer unsigned NULL CHECK ("number_of_retries" >= 0), "expires_at" datetime NULL, "message_id" varchar(255) NULL, "recipient_delivery_status" smallint unsigned NULL CHECK ("recipient_delivery_status" >= 0));
CREATE TABLE "post_office_emailtemplate" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(255) NOT NULL, "description" text NOT NULL, "subject" varchar(255) NOT NULL, "content" text NOT NULL, "html_content" text NOT NULL, "created" datetime NOT NULL, "last_updated" datetime NOT NULL, "language" varchar(12) NOT NULL, "default_template_id" integer NULL REFERENCES "post_office_emailtemplate" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "post_office_log" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "date" datetime NOT NULL, "status" smallint unsigned NOT NULL CHECK ("status" >= 0), "exception_type" varchar(255) NOT NULL, "message" text NOT NULL, "email_id" integer NOT NULL REFERENCES "post_office_email" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX "auth_group_permissions_group_id_permission_id_0cd325b0_uniq" ON "auth_group_permissions" ("group_id", "permission_id");
CREATE INDEX "auth_group_permissions_group_id_b120cbf9" ON "auth_group_permissions" ("group_id");
CREATE INDEX "auth_group_permissions_permission_id_84c5c92e" ON "auth_group_permissions" ("permission_id");
CREATE UNIQUE INDEX "auth_user_groups_user_id_group_id_94350c0c_uniq" ON "auth_user_groups" ("user_id", "group_id");
CREATE INDEX "auth_user_groups_user_id_6a12ed8b" ON "auth_user_groups" ("user_id");
CREATE INDEX "auth_user_groups_group_id_97559544" ON "auth_user_groups" ("group_id");
CREATE UNIQUE INDEX "auth_user_user_permissions_user_id_permission_id_14a6b632_uniq" ON "auth_user_user_permissions" ("user_id", "permission_id");
CREATE INDEX "auth_user_user_permissions_user_id_a95ead1b" ON "auth_user_user_permissions" ("user_id");
CREATE INDEX "auth_user_user_permissions_permission_id_1fbb5f2c" ON "auth_user_user_permissions" ("permission_id");
CREATE INDEX "account_emailconfirmation_email_address_id_5b7f8c58" ON "account_emailconfirmation" ("email_address_id");
CREATE UNIQUE INDEX "account_emailaddress_user_id_email_987c8728_uniq" ON "account_emailaddress" ("user_id", "email");
CREATE UNIQUE INDEX "unique_verified_email" ON "account_emailaddress" ("email") WHERE "verified";
CREATE INDEX "account_emailaddress_user_id_2c513194" ON "account_emailaddress" ("user_id");
CREATE INDEX "account_emailaddress_email_03be32b2" ON "account_emailaddress" ("email");
CREATE UNIQUE INDEX "unique_primary_email" ON "account_emailaddress" ("user_id", "primary") WHERE "primary";
CREATE INDEX "django_admin_log_content_type_id_c4bce8eb" ON "django_admin_log" ("content_type_id");
CREATE INDEX "django_admin_log_user_id_c564eba6" ON "django_admin_log" ("user_id");
CREATE INDEX "audit_auditevent_time_ec28f263" ON "audit_auditevent" ("time");
CREATE INDEX "audit_by_action" ON "audit_auditevent" ("action", "sequence" DESC);
CREATE INDEX "audit_by_actor" ON "audit_auditevent" ("actor_name", "sequence" DESC);
CREATE INDEX "audit_by_account" ON "audit_auditevent" ("account_sid", "sequence" DESC);
CREATE INDEX "audit_by_key" ON "audit_auditevent" ("key_sid", "sequence" DESC);
CREATE INDEX "audit_by_request" ON "audit_auditevent" ("request_id", "sequence" DESC);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit_auditevent BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit_auditevent BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_next_number BEFORE INSERT ON audit_auditevent WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_auditevent) OR NEW.sequence IS NULL BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only: the next number was expected'); END;
CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_node_no_delete BEFORE DELETE ON audit_node BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_node_next_number BEFORE INSERT ON audit_node WHEN NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM audit_node WHERE level = NEW.level) OR NEW.level NOT BETWEEN 1 AND 62 OR NEW.level IS NULL OR NEW.position IS NULL BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only: the next node of a level was expected'); END;
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_checkpoint_next_number BEFORE INSERT ON audit_checkpoint WHEN NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM audit_checkpoint) OR NEW.size IS NULL BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only: a larger checkpoint was expected'); END;
CREATE TRIGGER audit_terms_no_update BEFORE UPDATE ON audit_eventterm BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER audit_terms_no_delete BEFORE DELETE ON audit_eventterm BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq" ON "django_content_type" ("app_label", "model");
CREATE UNIQUE INDEX "auth_permission_content_type_id_codename_01ab375a_uniq" ON "auth_permission" ("content_type_id", "codename");
CREATE INDEX "auth_permission_content_type_id_2f476e4b" ON "auth_permission" ("content_type_id");
CREATE INDEX "keys_app_reconcilerun_started_at_709cbf2b" ON "keys_app_reconcilerun" ("started_at");
CREATE INDEX "keys_app_accessreview_closed_by_id_dcbbf6e3" ON "keys_app_accessreview" ("closed_by_id");
CREATE INDEX "keys_app_accessreview_opened_by_id_c25c4328" ON "keys_app_accessreview" ("opened_by_id");
CREATE INDEX "keys_app_comment_author_id_fd20cc95" ON "keys_app_comment" ("author_id");
CREATE INDEX "keys_app_comment_request_id_9f0cafc2" ON "keys_app_comment" ("request_id");
CREATE INDEX "keys_app_probe_account_id_118fba62" ON "keys_app_probe" ("account_id");
CREATE INDEX "keys_app_approvalrule_team_id_e4aa996b" ON "keys_app_approvalrule" ("team_id");
CREATE UNIQUE INDEX "keys_app_account_teams_account_id_team_id_3d2b3f22_uniq" ON "keys_app_account_teams" ("account_id", "team_id");
CREATE INDEX "keys_app_account_teams_account_id_b0c47478" ON "keys_app_account_teams" ("account_id");
CREATE INDEX "keys_app_account_teams_team_id_b191a871" ON "keys_app_account_teams" ("team_id");
CREATE UNIQUE INDEX "one_open_review" ON "keys_app_accessreview" (("closed_at" IS NULL)) WHERE "closed_at" IS NULL;
CREATE INDEX "keys_app_webhookdelivery_webhook_id_4d8a2dfc" ON "keys_app_webhookdelivery" ("webhook_id");
CREATE INDEX "keys_app_catalogueobservation_account_id_84732196" ON "keys_app_catalogueobservation" ("account_id");
CREATE INDEX "keys_app_feedtoken_created_by_id_03556518" ON "keys_app_feedtoken" ("created_by_id");
CREATE UNIQUE INDEX "one_open_issuance" ON "keys_app_issuance" ("request_id") WHERE "state" IN ('started', 'unknown');
CREATE INDEX "keys_app_issuance_rotates_id_1498968e" ON "keys_app_issuance" ("rotates_id");
CREATE INDEX "keys_app_issuance_request_id_af5551d1" ON "keys_app_issuance" ("request_id");
CREATE UNIQUE INDEX "one_decision_per_person" ON "keys_app_approval" ("request_id", "approver_id") WHERE ("decision" IN ('approved', 'rejected') AND "void_at" IS NULL);
CREATE UNIQUE INDEX "one_approval_per_stage" ON "keys_app_approval" ("request_id", "stage") WHERE ("decision" = 'approved' AND "void_at" IS NULL);
CREATE UNIQUE INDEX "one_approval_per_authority" ON "keys_app_approval" ("request_id", "authority_id") WHERE ("decision" = 'approved' AND "void_at" IS NULL);
CREATE UNIQUE INDEX "one_review" ON "keys_app_approval" ("request_id") WHERE "decision" = 'reviewed';
CREATE INDEX "keys_app_approval_approver_id_8204a010" ON "keys_app_approval" ("approver_id");
CREATE INDEX "keys_app_approval_authority_id_f05c7fcf" ON "keys_app_approval" ("authority_id");
CREATE INDEX "keys_app_approval_void_by_id_11774d63" ON "keys_app_approval" ("void_by_id");
CREATE INDEX "keys_app_approval_request_id_19f845ef" ON "keys_app_approval" ("request_id");
CREATE INDEX "keys_app_narrowing_approver_id_3392cd2b" ON "keys_app_narrowing" ("approver_id");
CREATE INDEX "keys_app_narrowing_request_id_e2e9240b" ON "keys_app_narrowing" ("request_id");
CREATE INDEX "keys_app_reviewedkey_decided_by_id_922e2bbc" ON "keys_app_reviewedkey" ("decided_by_id");
CREATE INDEX "keys_app_reviewedkey_key_id_e0539371" ON "keys_app_reviewedkey" ("key_id");
CREATE INDEX "keys_app_reviewedkey_review_id_c699cba2" ON "keys_app_reviewedkey" ("review_id");
CREATE INDEX "keys_app_reviewedkey_team_id_3bfb726f" ON "keys_app_reviewedkey" ("team_id");
CREATE INDEX "keys_app_keyrequest_account_id_7017fb03" ON "keys_app_keyrequest" ("account_id");
CREATE INDEX "keys_app_keyrequest_changes_key_id_a4ebd73a" ON "keys_app_keyrequest" ("changes_key_id");
CREATE INDEX "keys_app_keyrequest_requester_id_cb6f13f7" ON "keys_app_keyrequest" ("requester_id");
CREATE INDEX "keys_app_keyrequest_team_id_6baf4deb" ON "keys_app_keyrequest" ("team_id");
CREATE INDEX "request_by_state" ON "keys_app_keyrequest" ("state", "created_at");
CREATE INDEX "request_by_requester" ON "keys_app_keyrequest" ("requester_id", "created_at" DESC);
CREATE INDEX "request_by_team" ON "keys_app_keyrequest" ("team_id", "created_at" DESC);
CREATE INDEX "keys_app_delegation_deputy_id_9ae7c4a1" ON "keys_app_delegation" ("deputy_id");
CREATE INDEX "keys_app_delegation_lead_id_d7e712e1" ON "keys_app_delegation" ("lead_id");
CREATE INDEX "keys_app_delegation_team_id_ba9af5ac" ON "keys_app_delegation" ("team_id");
CREATE UNIQUE INDEX "one_rule_of_a_name" ON "keys_app_approvalrule" ((LOWER("name")));
CREATE UNIQUE INDEX "one_live_key_per_request" ON "keys_app_apikey" ("request_id") WHERE ("retires_at" IS NULL AND "state" = 'active');
CREATE INDEX "keys_app_apikey_account_id_9f170bfd" ON "keys_app_apikey" ("account_id");
CREATE INDEX "keys_app_apikey_owner_id_8cbff365" ON "keys_app_apikey" ("owner_id");
CREATE INDEX "keys_app_apikey_request_id_4678f497" ON "keys_app_apikey" ("request_id");
CREATE INDEX "keys_app_apikey_team_id_ab1afcb8" ON "keys_app_apikey" ("team_id");
CREATE INDEX "key_by_owner" ON "keys_app_apikey" ("owner_id", "issued_at" DESC);
CREATE INDEX "key_by_team" ON "keys_app_apikey" ("team_id", "issued_at" DESC);
CREATE INDEX "key_by_expiry" ON "keys_app_apikey" ("state", "expires_at");
CREATE INDEX "keys_app_teammembership_team_id_5784e559" ON "keys_app_teammembership" ("team_id");
CREATE INDEX "keys_app_teammembership_user_id_dd70cf9a" ON "keys_app_teammembership" ("user_id");
CREATE UNIQUE INDEX "one_team_of_a_name" ON "keys_app_team" ((LOWER("name")));
CREATE INDEX "keys_app_unmanagedkey_account_id_84df52e6" ON "keys_app_unmanagedkey" ("account_id");
CREATE INDEX "keys_app_unmanagedkey_proposed_by_id_323dcc67" ON "keys_app_unmanagedkey" ("proposed_by_id");
CREATE INDEX "keys_app_unmanagedkey_proposed_team_id_8a8eff52" ON "keys_app_unmanagedkey" ("proposed_team_id");
CREATE INDEX "unmanaged_by_account" ON "keys_app_unmanagedkey" ("account_id", "first_seen" DESC);
CREATE INDEX "keys_app_webhook_team_id_5949d23b" ON "keys_app_webhook" ("team_id");
CREATE INDEX "delivery_due" ON "keys_app_webhookdelivery" ("next_try_at") WHERE ("delivered_at" IS NULL AND "gave_up_at" IS NULL);
CREATE TRIGGER approval_not_own_insert BEFORE INSERT ON keys_app_approval WHEN 
    (
        SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id
    ) IN (NEW.approver_id, NEW.authority_id)
 BEGIN SELECT RAISE(ABORT, 'nobody decides their own request'); END;
CREATE TRIGGER approval_right_insert BEFORE INSERT ON keys_app_approval WHEN 
    NEW.rule_name = ''
    AND (NEW.authority_id IS NULL OR (NEW.capacity <> 'deputy' AND NEW.authority_id <> NEW.approver_id))
 BEGIN SELECT RAISE(ABORT, 'a decision needs the right of its approver or of the lead they stand in for'); END;
CREATE TRIGGER approval_fixed BEFORE UPDATE ON keys_app_approval WHEN 
    NOT (
        OLD.void_at IS NULL
        AND NEW.void_at IS NOT NULL
        AND NEW.id = OLD.id
        AND NEW.request_id = OLD.request_id
        AND NEW.capacity = OLD.capacity
        AND NEW.rule_name = OLD.rule_name
        AND NEW.decision = OLD.decision
        AND NEW.stage = OLD.stage
        AND NEW.content_digest = OLD.content_digest
        AND NEW.reason = OLD.reason
        AND NEW.created_at = OLD.created_at
        AND COALESCE(NEW.approver_id, 0) = COALESCE(OLD.approver_id, 0)
        AND COALESCE(NEW.authority_id, 0) = COALESCE(OLD.authority_id, 0)
        AND EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND requester_id <> COALESCE(NEW.void_by_id, 0)
        )
    )
 BEGIN SELECT RAISE(ABORT, 'a decision does not change'); END;
CREATE TRIGGER narrowing_not_own_insert BEFORE INSERT ON keys_app_narrowing WHEN NEW.approver_id = (SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id) BEGIN SELECT RAISE(ABORT, 'nobody decides their own request'); END;
CREATE TRIGGER narrowing_insert BEFORE INSERT ON keys_app_narrowing WHEN 
    (
        EXISTS (
            SELECT 1
            FROM json_each(NEW.to_policy_json, '$.allow') AS narrow
            WHERE narrow.value NOT IN (SELECT value FROM json_each(NEW.from_policy_json, '$.allow'))
        )
    )
    OR (NEW.to_policy_json NOT LIKE '{"allow":["/%')
    OR (
        NOT EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND content_digest = NEW.from_digest
            AND policy_json = NEW.from_policy_json
            AND lifetime_days = NEW.from_lifetime_days
        )
    )
 BEGIN SELECT RAISE(ABORT, 'a narrowing takes away and adds nothing'); END;
CREATE TRIGGER narrowing_fixed BEFORE UPDATE ON keys_app_narrowing WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'a decision does not change'); END;
CREATE TRIGGER request_fixed BEFORE UPDATE ON keys_app_keyrequest WHEN 
    NEW.requester_id <> OLD.requester_id
    OR NEW.team_id <> OLD.team_id
    OR NEW.account_id <> OLD.account_id
    OR NEW.friendly_name <> OLD.friendly_name
    OR NEW.incident <> OLD.incident
    OR NEW.leads_required < OLD.leads_required
    OR (OLD.reopened_at IS NOT NULL AND NEW.reopened_at IS NULL)
    OR (
        (
            NEW.policy_json <> OLD.policy_json
            OR NEW.lifetime_days <> OLD.lifetime_days
            OR NEW.content_digest <> OLD.content_digest
            OR (
                CASE NEW.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END
            ) < (CASE OLD.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END)
        )
        AND NOT EXISTS (
            SELECT 1
            FROM keys_app_narrowing
            WHERE request_id = NEW.id
            AND OLD.state = 'pending'
            AND from_digest = OLD.content_digest
            AND to_digest = NEW.content_digest
            AND from_policy_json = OLD.policy_json
            AND to_policy_json = NEW.policy_json
            AND from_lifetime_days = OLD.lifetime_days
            AND to_lifetime_days = NEW.lifetime_days
        )
    )
 BEGIN SELECT RAISE(ABORT, 'what was asked for does not change'); END;
CREATE TRIGGER approval_not_void_insert BEFORE INSERT ON keys_app_approval WHEN NEW.void_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'a decision does not change'); END;
CREATE TRIGGER request_approved_insert BEFORE INSERT ON keys_app_keyrequest WHEN 
    NEW.state IN ('approved', 'issuing', 'issued', 'failed')
    AND CASE
        WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
        ELSE NEW.leads_required - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity <> 'security'
        ) - MAX(
            0, (
                SELECT COUNT(*)
                FROM keys_app_approval
                WHERE request_id = NEW.id
                AND decision = 'approved'
                AND void_at IS NULL
                AND (
                    content_digest = NEW.content_digest
                    OR content_digest IN (
                        SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id
                    )
                )
                AND capacity = 'security'
            ) - (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)
        ) > 0
        OR (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END) - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity = 'security'
        ) > 0
    END
 BEGIN SELECT RAISE(ABORT, 'the approvals this request needs are missing'); END;
CREATE TRIGGER request_approved_update BEFORE UPDATE ON keys_app_keyrequest WHEN 
    NEW.state IN ('approved', 'issuing', 'issued', 'failed')
    AND CASE
        WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
        ELSE NEW.leads_required - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity <> 'security'
        ) - MAX(
            0, (
                SELECT COUNT(*)
                FROM keys_app_approval
                WHERE request_id = NEW.id
                AND decision = 'approved'
                AND void_at IS NULL
                AND (
                    content_digest = NEW.content_digest
                    OR content_digest IN (
                        SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id
                    )
                )
                AND capacity = 'security'
            ) - (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)
        ) > 0
        OR (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END) - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity = 'security'
        ) > 0
    END
 BEGIN SELECT RAISE(ABORT, 'the approvals this request needs are missing'); END;
CREATE TRIGGER request_incident_insert BEFORE INSERT ON keys_app_keyrequest WHEN NEW.incident <> '' AND NEW.risk IN ('critical') BEGIN SELECT RAISE(ABORT, 'this risk is not approved without people'); END;
CREATE TRIGGER approval_rule_insert BEFORE INSERT ON keys_app_approval WHEN NEW.rule_name <> '' AND NOT (SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id) IN ('low') BEGIN SELECT RAISE(ABORT, 'this risk is not approved without people'); END;
CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON auth_user WHEN (OLD.is_active AND NOT NEW.is_active) BEGIN 
    INSERT INTO keys_app_signin (
        user_id, sessions_ended, password_set_by, mail_set_by
    ) VALUES (
        NEW.id, 1, '', ''
    ) ON CONFLICT (user_id) DO UPDATE SET sessions_ended = keys_app_signin.sessions_ended + 1;
 END;
CREATE UNIQUE INDEX one_user_of_a_login ON auth_user (LOWER(username));
CREATE INDEX "post_office_log_email_id_d42c8808" ON "post_office_log" ("email_id");
CREATE UNIQUE INDEX "post_office_attachment_emails_attachment_id_email_id_8e046917_uniq" ON "post_office_attachment_emails" ("attachment_id", "email_id");
CREATE INDEX "post_office_attachment_emails_attachment_id_6136fd9a" ON "post_office_attachment_emails" ("attachment_id");
CREATE INDEX "post_office_attachment_emails_email_id_96875fd9" ON "post_office_attachment_emails" ("email_id");
CREATE INDEX "post_office_emailtemplate_default_template_id_2ac2f889" ON "post_office_emailtemplate" ("default_template_id");
CREATE INDEX "post_office_email_status_013a896c" ON "post_office_email" ("status");
CREATE INDEX "post_office_email_created_1306952f" ON "post_office_email" ("created");
CREATE INDEX "post_office_email_last_updated_0ffcec35" ON "post_office_email" ("last_updated");
CREATE INDEX "post_office_email_scheduled_time_3869ebec" ON "post_office_email" ("scheduled_time");
CREATE INDEX "post_office_email_template_id_417da7da" ON "post_office_email" ("template_id");
CREATE UNIQUE INDEX "post_office_emailtemplate_name_language_default_template_id_4023e3e4_uniq" ON "post_office_emailtemplate" ("name", "language", "default_template_id");
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('django_migrations',46);
INSERT INTO "sqlite_sequence" VALUES('account_emailaddress',0);
INSERT INTO "sqlite_sequence" VALUES('django_admin_log',0);
INSERT INTO "sqlite_sequence" VALUES('django_content_type',42);
INSERT INTO "sqlite_sequence" VALUES('auth_permission',168);
INSERT INTO "sqlite_sequence" VALUES('auth_group',3);
INSERT INTO "sqlite_sequence" VALUES('auth_user',10);
INSERT INTO "sqlite_sequence" VALUES('keys_app_catalogueobservation',0);
INSERT INTO "sqlite_sequence" VALUES('keys_app_feedtoken',0);
INSERT INTO "sqlite_sequence" VALUES('keys_app_issuance',5);
INSERT INTO "sqlite_sequence" VALUES('keys_app_approval',8);
INSERT INTO "sqlite_sequence" VALUES('keys_app_narrowing',1);
INSERT INTO "sqlite_sequence" VALUES('keys_app_reviewedkey',0);
INSERT INTO "sqlite_sequence" VALUES('keys_app_delegation',0);
INSERT INTO "sqlite_sequence" VALUES('keys_app_teammembership',6);
INSERT INTO "sqlite_sequence" VALUES('keys_app_team',2);
INSERT INTO "sqlite_sequence" VALUES('keys_app_webhook',0);
INSERT INTO "sqlite_sequence" VALUES('post_office_emailtemplate',0);
INSERT INTO "sqlite_sequence" VALUES('post_office_email',0);
INSERT INTO "sqlite_sequence" VALUES('post_office_attachment',0);
INSERT INTO "sqlite_sequence" VALUES('keys_app_account_teams',2);
INSERT INTO "sqlite_sequence" VALUES('auth_user_groups',8);
COMMIT;
