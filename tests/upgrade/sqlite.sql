BEGIN TRANSACTION;
CREATE TABLE "account_emailaddress" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "verified" bool NOT NULL, "primary" bool NOT NULL, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "email" varchar(254) NOT NULL);
CREATE TABLE "account_emailconfirmation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "created" datetime NOT NULL, "sent" datetime NULL, "key" varchar(64) NOT NULL UNIQUE, "email_address_id" integer NOT NULL REFERENCES "account_emailaddress" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "audit_auditevent" ("sequence" bigint NOT NULL PRIMARY KEY, "time" datetime NOT NULL, "action" varchar(60) NOT NULL, "actor_id" varchar(40) NOT NULL, "actor_name" varchar(320) NOT NULL, "address" varchar(45) NOT NULL, "account_sid" varchar(34) NOT NULL, "key_sid" varchar(34) NOT NULL, "request_id" varchar(36) NOT NULL, "team" varchar(80) NULL, "risk" varchar(10) NULL, "policy" text NOT NULL, "reason" text NOT NULL, "canonical" text NOT NULL, "leaf_hash" BLOB NOT NULL);
INSERT INTO "audit_auditevent" VALUES(1,'2026-11-27 23:57:24.995668','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','8a3e636c-3eee-4bb5-abf8-c1242f8aed8e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"fresh","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"8a3e636c-3eee-4bb5-abf8-c1242f8aed8e","risk":"low","sequence":1,"team":"Payments","time":"2026-11-27T23:57:24.995668+00:00"}',X'A4067AA5A86794B4B149C528E167F601673B462AB01325DAD06167177B7244B5');
INSERT INTO "audit_auditevent" VALUES(2,'2026-11-27 23:57:25.225018','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','8a3e636c-3eee-4bb5-abf8-c1242f8aed8e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"4bd3dcb164c08a2691bcaf8de290fe111c1eada0b16fae4ee80d79f0f4807f3e","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"8a3e636c-3eee-4bb5-abf8-c1242f8aed8e","risk":"low","sequence":2,"team":"Payments","time":"2026-11-27T23:57:25.225018+00:00"}',X'89C8033E9A2BEAC81525EF5FAAFEF26A155EBCB85D5C3DF3DF3056E9803D24D1');
INSERT INTO "audit_auditevent" VALUES(3,'2026-11-27 23:57:25.336711','key.issue_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','8a3e636c-3eee-4bb5-abf8-c1242f8aed8e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"AFXLXVP5Y5P3"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"8a3e636c-3eee-4bb5-abf8-c1242f8aed8e","risk":"low","sequence":3,"team":"Payments","time":"2026-11-27T23:57:25.336711+00:00"}',X'EC6024A4B1ECBF102971DAC05C87C93729728FA5B13EEB04E32337485E307BCF');
INSERT INTO "audit_auditevent" VALUES(4,'2026-11-27 23:57:25.375195','key.issued','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SKafd8ef0bf0a749b4c989486af4f10ca1','8a3e636c-3eee-4bb5-abf8-c1242f8aed8e','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:25.373553+00:00","marker":"AFXLXVP5Y5P3"},"key_sid":"SKafd8ef0bf0a749b4c989486af4f10ca1","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"8a3e636c-3eee-4bb5-abf8-c1242f8aed8e","risk":"low","sequence":4,"team":"Payments","time":"2026-11-27T23:57:25.375195+00:00"}',X'FE2C32F9981A69D5E6983A5DA56C75288E36E5AE211552ADC2F31C350F5133DA');
INSERT INTO "audit_auditevent" VALUES(5,'2026-11-27 23:57:25.502187','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"confirmed","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab","risk":"low","sequence":5,"team":"Payments","time":"2026-11-27T23:57:25.502187+00:00"}',X'037CF3D60641761A993B75BBA2BB45DC7DFB46871848A2D306EF9F4757613B22');
INSERT INTO "audit_auditevent" VALUES(6,'2026-11-27 23:57:25.741599','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"ad9b24b349ecd54a879d59bc7024e5710bac865a73762a862a4f3382d2561582","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab","risk":"low","sequence":6,"team":"Payments","time":"2026-11-27T23:57:25.741599+00:00"}',X'8B3F8419523B255915516D8F3E01799BA6A54AC68296A4FB54C49FAFDFA2DB17');
INSERT INTO "audit_auditevent" VALUES(7,'2026-11-27 23:57:25.864361','key.issue_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"PCI6XR3KZAPR"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab","risk":"low","sequence":7,"team":"Payments","time":"2026-11-27T23:57:25.864361+00:00"}',X'2AFE42F860CB51A8D057AEBE68950C74B49486AC1BB3D5785A9BBBBF5B15CCB2');
INSERT INTO "audit_auditevent" VALUES(8,'2026-11-27 23:57:25.874707','key.issued','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK284981e9b53e11883d2007472c2dfb35','35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:25.873409+00:00","marker":"PCI6XR3KZAPR"},"key_sid":"SK284981e9b53e11883d2007472c2dfb35","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab","risk":"low","sequence":8,"team":"Payments","time":"2026-11-27T23:57:25.874707+00:00"}',X'26F3CE1AE1AD97A952CA658FEA683E8922E95B8D85CFDC5B86EAB9342EEACDDA');
INSERT INTO "audit_auditevent" VALUES(9,'2026-11-27 23:57:25.995390','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"retiring","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":9,"team":"Payments","time":"2026-11-27T23:57:25.995390+00:00"}',X'9EC968C11D7CDEB14FA74A3C3B6EF88298F42EF3CCABC2B041B1DF942451AE0A');
INSERT INTO "audit_auditevent" VALUES(10,'2026-11-27 23:57:26.447529','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"13f690643ebb04211d0035dbcf61bf9c3923d8eeaf4b4de260aa06642efaaa9b","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":10,"team":"Payments","time":"2026-11-27T23:57:26.447529+00:00"}',X'E0767C8059BB0928F5EF766FACF4396A1411ABF775695BB0672A72EC032687C2');
INSERT INTO "audit_auditevent" VALUES(11,'2026-11-27 23:57:26.579247','key.issue_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"MIERZ35DIY65"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":11,"team":"Payments","time":"2026-11-27T23:57:26.579247+00:00"}',X'1A027F602E9FBA0A80C18256D98E8D70AB4CAF38770EB64B92C11D2CAB16BB50');
INSERT INTO "audit_auditevent" VALUES(12,'2026-11-27 23:57:26.595628','key.issued','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK69f4083a48bdb2677ad3b8e92323fe0a','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:26.594204+00:00","marker":"MIERZ35DIY65"},"key_sid":"SK69f4083a48bdb2677ad3b8e92323fe0a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":12,"team":"Payments","time":"2026-11-27T23:57:26.595628+00:00"}',X'8E4409BCEC3219DA659F1DC559E87F05B2F85B475435565B1C255F755A90EBF2');
INSERT INTO "audit_auditevent" VALUES(13,'2026-11-27 23:57:26.737035','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"revoked","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":13,"team":"Payments","time":"2026-11-27T23:57:26.737035+00:00"}',X'F3DB290AEE9883D641D94CDA56B17CD431CF1908753896A53AFDFEB1A0CCA60A');
INSERT INTO "audit_auditevent" VALUES(14,'2026-11-27 23:57:26.887650','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"1981cb745cf7b56298045b30d6903ff2e3ffcf1d31a3a991353284f2ef144536","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":14,"team":"Payments","time":"2026-11-27T23:57:26.887650+00:00"}',X'5C45B25E23A8152126FCDA63E410FEFB27414D07AFDE8632D8CC5D85F82AE12F');
INSERT INTO "audit_auditevent" VALUES(15,'2026-11-27 23:57:26.995938','key.issue_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issue_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":1,"marker":"R3DOJ6UZ2QJT"},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":15,"team":"Payments","time":"2026-11-27T23:57:26.995938+00:00"}',X'F889F12BA282F09E0C56FE9BD301854C80C4FC22F44BE0952517123925ADD24A');
INSERT INTO "audit_auditevent" VALUES(16,'2026-11-27 23:57:27.019303','key.issued','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK97d861cfb6d92aa454c9d7c816dd05b1','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:27.017964+00:00","marker":"R3DOJ6UZ2QJT"},"key_sid":"SK97d861cfb6d92aa454c9d7c816dd05b1","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":16,"team":"Payments","time":"2026-11-27T23:57:27.019303+00:00"}',X'10603FF609F6B4604915AF19F7EC15764FE2C85E03CF990206C3D753971B5988');
INSERT INTO "audit_auditevent" VALUES(17,'2026-11-27 23:57:27.114128','key.confirmed','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK284981e9b53e11883d2007472c2dfb35','35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.confirmed","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK284981e9b53e11883d2007472c2dfb35","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"35ebb0f8-3e4c-4e2e-847f-d2d9fe3a22ab","risk":"low","sequence":17,"team":"Payments","time":"2026-11-27T23:57:27.114128+00:00"}',X'497E5698580E9E6CBFFF3CA550C1B9BEA691FD9C6679449A5E6A50932FDE8715');
INSERT INTO "audit_auditevent" VALUES(18,'2026-11-27 23:57:27.154428','key.rotate_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK69f4083a48bdb2677ad3b8e92323fe0a','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.rotate_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"attempt":2,"marker":"3KIOBANOY3RG","overlap_hours":24},"key_sid":"SK69f4083a48bdb2677ad3b8e92323fe0a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":18,"team":"Payments","time":"2026-11-27T23:57:27.154428+00:00"}',X'273787C569DE25C696C4CCF1457DF75A1395CBF214153FA7F362629A0A17EA6B');
INSERT INTO "audit_auditevent" VALUES(19,'2026-11-27 23:57:27.185898','key.rotated','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK69f4083a48bdb2677ad3b8e92323fe0a','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.rotated","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"retires":"2026-11-28T23:57:27.178837+00:00","successor":"SK9cd1530cdc72504a36aa759c2664a7ef"},"key_sid":"SK69f4083a48bdb2677ad3b8e92323fe0a","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":19,"team":"Payments","time":"2026-11-27T23:57:27.185898+00:00"}',X'CBBC1E4BDABA07603F5474C0E1BC7D0979C1CD10071C326C2D80F56E577084E4');
INSERT INTO "audit_auditevent" VALUES(20,'2026-11-27 23:57:27.186760','key.issued','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK9cd1530cdc72504a36aa759c2664a7ef','d2fe714e-cf02-4368-992d-8a60a0c6fbdc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.issued","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"expires":"2026-12-27T23:57:26.594204+00:00","marker":"3KIOBANOY3RG","rotates":"SK69f4083a48bdb2677ad3b8e92323fe0a"},"key_sid":"SK9cd1530cdc72504a36aa759c2664a7ef","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"d2fe714e-cf02-4368-992d-8a60a0c6fbdc","risk":"low","sequence":20,"team":"Payments","time":"2026-11-27T23:57:27.186760+00:00"}',X'079679DF06219DBD632A13AE7372A12B411FC4DB3F072F4A131827129D6E7C81');
INSERT INTO "audit_auditevent" VALUES(21,'2026-11-27 23:57:27.218503','key.revoke_started','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK97d861cfb6d92aa454c9d7c816dd05b1','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','No longer needed.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.revoke_started","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK97d861cfb6d92aa454c9d7c816dd05b1","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":21,"team":"Payments","time":"2026-11-27T23:57:27.218503+00:00"}',X'49A9EDBFB65814F4B62E8F0DE1801B9F27FF49573BD4BF9FF4DC3BDA5F318A74');
INSERT INTO "audit_auditevent" VALUES(22,'2026-11-27 23:57:27.244027','key.revoked','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','SK97d861cfb6d92aa454c9d7c816dd05b1','de3cf96d-c6b9-47f8-9942-b0db7c1266dc','Payments','low','{"allow":["/twilio/billing/usage/read"]}','No longer needed.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"key.revoked","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"SK97d861cfb6d92aa454c9d7c816dd05b1","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"No longer needed.","request_id":"de3cf96d-c6b9-47f8-9942-b0db7c1266dc","risk":"low","sequence":22,"team":"Payments","time":"2026-11-27T23:57:27.244027+00:00"}',X'8E50A0AE68B3CDE7BA58655813AB401626ADD48DFD3CCFF41CC13846A266B0D6');
INSERT INTO "audit_auditevent" VALUES(23,'2026-11-27 23:57:27.382330','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','f84feacf-ef33-42f8-a1da-d762c15d9c44','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"waits","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"f84feacf-ef33-42f8-a1da-d762c15d9c44","risk":"low","sequence":23,"team":"Payments","time":"2026-11-27T23:57:27.382330+00:00"}',X'16F97B3C17FE11CE09340E091C756E0EA40F89683BA99ED747529A97E3E63983');
INSERT INTO "audit_auditevent" VALUES(24,'2026-11-27 23:57:27.483603','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','d863ddb3-4369-47e9-979a-0d9b711af316','Payments','critical','{"allow":["/twilio/iam/api-keys/create"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"half-approved","risk":"critical","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"A monthly report.","request_id":"d863ddb3-4369-47e9-979a-0d9b711af316","risk":"critical","sequence":24,"team":"Payments","time":"2026-11-27T23:57:27.483603+00:00"}',X'F1FEF327E7DEECA30E053D53C71D82367AD18CEDD2B39BCAF7ADAB05E0E14A11');
INSERT INTO "audit_auditevent" VALUES(25,'2026-11-27 23:57:27.644708','request.approval_given','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','d863ddb3-4369-47e9-979a-0d9b711af316','Payments','critical','{"allow":["/twilio/iam/api-keys/create"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approval_given","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"d78f63e30db606eeb3cef792df07c5a44bf3b365f6dc05e9ae22cd59b8eea3db","needed":2},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/iam/api-keys/create\"]}","reason":"","request_id":"d863ddb3-4369-47e9-979a-0d9b711af316","risk":"critical","sequence":25,"team":"Payments","time":"2026-11-27T23:57:27.644708+00:00"}',X'097DF799E1796904A3FED8BD2120BD285B1B64B1746F467180AC75DC0E072D54');
INSERT INTO "audit_auditevent" VALUES(26,'2026-11-27 23:57:27.734130','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','31dfda55-d0af-46f9-b892-13a48eda42b5','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"approved","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"31dfda55-d0af-46f9-b892-13a48eda42b5","risk":"low","sequence":26,"team":"Payments","time":"2026-11-27T23:57:27.734130+00:00"}',X'744A669E25E5E937F4B30C8FBC162DD3E66A7960CE6393A496C8765F5A4025DE');
INSERT INTO "audit_auditevent" VALUES(27,'2026-11-27 23:57:27.834631','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','31dfda55-d0af-46f9-b892-13a48eda42b5','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"eb050b4bc825b84042887c0e5702b48442cca46faaaf6012a5605417a23f874e","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"31dfda55-d0af-46f9-b892-13a48eda42b5","risk":"low","sequence":27,"team":"Payments","time":"2026-11-27T23:57:27.834631+00:00"}',X'19E6A09DDB7FF14E822F8789E4DC3BB1EB887528E1DD4D5B1D59122A45774DA3');
INSERT INTO "audit_auditevent" VALUES(28,'2026-11-27 23:57:27.928011','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','9a83bddf-4080-4f9c-ab79-5a1ff2975753','Payments','high','{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"narrowed","risk":"high","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/messaging/messages/list\",\"/twilio/messaging/messages/read\"]}","reason":"A monthly report.","request_id":"9a83bddf-4080-4f9c-ab79-5a1ff2975753","risk":"high","sequence":28,"team":"Payments","time":"2026-11-27T23:57:27.928011+00:00"}',X'7324AB4EE67FD3FC9778CB2B75224F043480223910BF66D889DD31B2DFD731F9');
INSERT INTO "audit_auditevent" VALUES(29,'2026-11-27 23:57:28.102755','request.narrowed','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','9a83bddf-4080-4f9c-ab79-5a1ff2975753','Payments','high','{"allow":["/twilio/messaging/messages/list"]}','Less is enough.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.narrowed","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"lifetime_from":30,"lifetime_to":30,"removed":["/twilio/messaging/messages/read"]},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"9a83bddf-4080-4f9c-ab79-5a1ff2975753","risk":"high","sequence":29,"team":"Payments","time":"2026-11-27T23:57:28.102755+00:00"}',X'6D1E83A39C410517BAD913EE5AFD53B5382FCBB06B30077813C9B27EFBCEDEC8');
INSERT INTO "audit_auditevent" VALUES(30,'2026-11-27 23:57:28.103316','request.approved','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','9a83bddf-4080-4f9c-ab79-5a1ff2975753','Payments','high','{"allow":["/twilio/messaging/messages/list"]}','Less is enough.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.approved","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"approval":1,"capacity":"lead","digest":"9cd32523df3637ec37f11f6cccb4ee8a8fd378aa8e921af7a9455c59279e506e","needed":1},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/messaging/messages/list\"]}","reason":"Less is enough.","request_id":"9a83bddf-4080-4f9c-ab79-5a1ff2975753","risk":"high","sequence":30,"team":"Payments","time":"2026-11-27T23:57:28.103316+00:00"}',X'34D7313866D493860927FD8BE8271E26EF0C37511BDD429D6CBED5BBBD8BDFD2');
INSERT INTO "audit_auditevent" VALUES(31,'2026-11-27 23:57:28.202130','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','ff0042bd-401d-425c-b29a-8ed2106e06e4','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"refused","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"ff0042bd-401d-425c-b29a-8ed2106e06e4","risk":"low","sequence":31,"team":"Payments","time":"2026-11-27T23:57:28.202130+00:00"}',X'266E5BBF7B62EEF469CF1A5E2AA1B9754F0DEA1463EA039049AA0D3D0F67733A');
INSERT INTO "audit_auditevent" VALUES(32,'2026-11-27 23:57:28.343102','request.rejected','3','Lead Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','ff0042bd-401d-425c-b29a-8ed2106e06e4','Payments','low','{"allow":["/twilio/billing/usage/read"]}','Use the shared one.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.rejected","actor_id":"3","actor_name":"Lead Person","address":"127.0.0.1","details":{"capacity":"lead"},"key_sid":"","login":"lead","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"Use the shared one.","request_id":"ff0042bd-401d-425c-b29a-8ed2106e06e4","risk":"low","sequence":32,"team":"Payments","time":"2026-11-27T23:57:28.343102+00:00"}',X'B6C00B84CFB942374242961BF055653E48AE1F5B60A276B20B5494C4BBF6B3EC');
INSERT INTO "audit_auditevent" VALUES(33,'2026-11-27 23:57:28.454291','request.created','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','aefbdd2a-aac1-4d8b-bcab-46d69ba328ae','Payments','low','{"allow":["/twilio/billing/usage/read"]}','A monthly report.','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.created","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{"lifetime_days":30,"name":"cancelled","risk":"low","team":"Payments","ticket":""},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"A monthly report.","request_id":"aefbdd2a-aac1-4d8b-bcab-46d69ba328ae","risk":"low","sequence":33,"team":"Payments","time":"2026-11-27T23:57:28.454291+00:00"}',X'584B5ADAD3799DFF315E3BCC142ADD9A6BC9EE173A2C4A69D818F3A519C6B3B9');
INSERT INTO "audit_auditevent" VALUES(34,'2026-11-27 23:57:28.547622','request.cancelled','1','Engineer Person','127.0.0.1','AC6e73185a21b9c2f27649b18f2080fd61','','aefbdd2a-aac1-4d8b-bcab-46d69ba328ae','Payments','low','{"allow":["/twilio/billing/usage/read"]}','','{"account_sid":"AC6e73185a21b9c2f27649b18f2080fd61","action":"request.cancelled","actor_id":"1","actor_name":"Engineer Person","address":"127.0.0.1","details":{},"key_sid":"","login":"engineer","policy":"{\"allow\":[\"/twilio/billing/usage/read\"]}","reason":"","request_id":"aefbdd2a-aac1-4d8b-bcab-46d69ba328ae","risk":"low","sequence":34,"team":"Payments","time":"2026-11-27T23:57:28.547622+00:00"}',X'1675F98AED1DDA05C8C10493C3DECDB5916332AEE08972627684EBC03AB90132');
CREATE TABLE "audit_checkpoint" ("size" bigint NOT NULL PRIMARY KEY, "root" BLOB NOT NULL, "time" datetime NOT NULL, "key" varchar(400) NOT NULL, "note" text NOT NULL);
INSERT INTO "audit_checkpoint" VALUES(22,X'54766F7B5B47F73F476DE1C54976ADD4D45A7C28CD45FC54479F3704F9984CEF','2026-11-27 23:57:27.262167','127.0.0.1/audit+d70e2d6b+AZvvnKAZdkUfRpGSMvQobh3uR30uvEXv/5SUupGoFOhb','127.0.0.1/audit
22
VHZve1tH9z9HbeHFSXat1NRafCjNRfxUR583BPmYTO8=

— 127.0.0.1/audit 1w4ta2fsrjS0abZq4HhKXaNvxy68mjtCvVNUc6nDCtgR5LwWzf1ITyOoOTkMBjgBBSm7PpEZMvcF4UyTMaTmiIFxDgE=
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
INSERT INTO "audit_eventterm" VALUES('text:017964',16);
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
INSERT INTO "audit_eventterm" VALUES('text:12',20);
INSERT INTO "audit_eventterm" VALUES('text:13f690643ebb04211d0035dbcf61bf9c3923d8eeaf4b4de260aa06642efaaa9b',10);
INSERT INTO "audit_eventterm" VALUES('text:178837',19);
INSERT INTO "audit_eventterm" VALUES('text:1981cb745cf7b56298045b30d6903ff2e3ffcf1d31a3a991353284f2ef144536',14);
INSERT INTO "audit_eventterm" VALUES('text:2',18);
INSERT INTO "audit_eventterm" VALUES('text:2',25);
INSERT INTO "audit_eventterm" VALUES('text:2026',4);
INSERT INTO "audit_eventterm" VALUES('text:2026',8);
INSERT INTO "audit_eventterm" VALUES('text:2026',12);
INSERT INTO "audit_eventterm" VALUES('text:2026',16);
INSERT INTO "audit_eventterm" VALUES('text:2026',19);
INSERT INTO "audit_eventterm" VALUES('text:2026',20);
INSERT INTO "audit_eventterm" VALUES('text:24',18);
INSERT INTO "audit_eventterm" VALUES('text:25',4);
INSERT INTO "audit_eventterm" VALUES('text:25',8);
INSERT INTO "audit_eventterm" VALUES('text:26',12);
INSERT INTO "audit_eventterm" VALUES('text:26',20);
INSERT INTO "audit_eventterm" VALUES('text:27',16);
INSERT INTO "audit_eventterm" VALUES('text:27',19);
INSERT INTO "audit_eventterm" VALUES('text:27t23',4);
INSERT INTO "audit_eventterm" VALUES('text:27t23',8);
INSERT INTO "audit_eventterm" VALUES('text:27t23',12);
INSERT INTO "audit_eventterm" VALUES('text:27t23',16);
INSERT INTO "audit_eventterm" VALUES('text:27t23',20);
INSERT INTO "audit_eventterm" VALUES('text:28t23',19);
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
INSERT INTO "audit_eventterm" VALUES('text:373553',4);
INSERT INTO "audit_eventterm" VALUES('text:3kiobanoy3rg',18);
INSERT INTO "audit_eventterm" VALUES('text:3kiobanoy3rg',20);
INSERT INTO "audit_eventterm" VALUES('text:4bd3dcb164c08a2691bcaf8de290fe111c1eada0b16fae4ee80d79f0f4807f3e',2);
INSERT INTO "audit_eventterm" VALUES('text:57',4);
INSERT INTO "audit_eventterm" VALUES('text:57',8);
INSERT INTO "audit_eventterm" VALUES('text:57',12);
INSERT INTO "audit_eventterm" VALUES('text:57',16);
INSERT INTO "audit_eventterm" VALUES('text:57',19);
INSERT INTO "audit_eventterm" VALUES('text:57',20);
INSERT INTO "audit_eventterm" VALUES('text:594204',12);
INSERT INTO "audit_eventterm" VALUES('text:594204',20);
INSERT INTO "audit_eventterm" VALUES('text:873409',8);
INSERT INTO "audit_eventterm" VALUES('text:9cd32523df3637ec37f11f6cccb4ee8a8fd378aa8e921af7a9455c59279e506e',30);
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
INSERT INTO "audit_eventterm" VALUES('text:ad9b24b349ecd54a879d59bc7024e5710bac865a73762a862a4f3382d2561582',6);
INSERT INTO "audit_eventterm" VALUES('text:afxlxvp5y5p3',3);
INSERT INTO "audit_eventterm" VALUES('text:afxlxvp5y5p3',4);
INSERT INTO "audit_eventterm" VALUES('text:approved',24);
INSERT INTO "audit_eventterm" VALUES('text:approved',26);
INSERT INTO "audit_eventterm" VALUES('text:cancelled',33);
INSERT INTO "audit_eventterm" VALUES('text:confirmed',5);
INSERT INTO "audit_eventterm" VALUES('text:critical',24);
INSERT INTO "audit_eventterm" VALUES('text:d78f63e30db606eeb3cef792df07c5a44bf3b365f6dc05e9ae22cd59b8eea3db',25);
INSERT INTO "audit_eventterm" VALUES('text:eb050b4bc825b84042887c0e5702b48442cca46faaaf6012a5605417a23f874e',27);
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
INSERT INTO "audit_eventterm" VALUES('text:mierz35diy65',11);
INSERT INTO "audit_eventterm" VALUES('text:mierz35diy65',12);
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
INSERT INTO "audit_eventterm" VALUES('text:pci6xr3kzapr',7);
INSERT INTO "audit_eventterm" VALUES('text:pci6xr3kzapr',8);
INSERT INTO "audit_eventterm" VALUES('text:r3doj6uz2qjt',15);
INSERT INTO "audit_eventterm" VALUES('text:r3doj6uz2qjt',16);
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
INSERT INTO "audit_eventterm" VALUES('text:sk69f4083a48bdb2677ad3b8e92323fe0a',20);
INSERT INTO "audit_eventterm" VALUES('text:sk9cd1530cdc72504a36aa759c2664a7ef',19);
INSERT INTO "audit_eventterm" VALUES('text:the',32);
INSERT INTO "audit_eventterm" VALUES('text:twilio',29);
INSERT INTO "audit_eventterm" VALUES('text:use',32);
INSERT INTO "audit_eventterm" VALUES('text:waits',23);
CREATE TABLE "audit_node" ("level" smallint NOT NULL, "position" bigint NOT NULL, "hash" BLOB NOT NULL, PRIMARY KEY ("level", "position"));
INSERT INTO "audit_node" VALUES(1,0,X'D10E727353DFB2E3081E49EB2EA8F22A154378C229EA59E161E25BE960BE714F');
INSERT INTO "audit_node" VALUES(1,1,X'DC9D2B5437CBD6A88825B425940F023586FFFA8CEDC5765FBEA9BBAE5813ABCB');
INSERT INTO "audit_node" VALUES(2,0,X'0545975B20399DB907397C80B64C8AC96640416ED6424EB31E342E30EAD72D53');
INSERT INTO "audit_node" VALUES(1,2,X'5374B481038367281F6487A1880B0E609F414BBF41999E041FD59C2F502F951C');
INSERT INTO "audit_node" VALUES(1,3,X'070ED28E1A87197323961D07E8BDD9BE735F01B66AD062ED981D23DE29A9347D');
INSERT INTO "audit_node" VALUES(2,1,X'4982ECF19E1BA1534D151BB87D3632C380DFB051C3758CE20ACEBEF2E4278FD3');
INSERT INTO "audit_node" VALUES(3,0,X'074D73EB3110B28C23C22F206404C173DBF1B125766B27DB040E555F207F66B7');
INSERT INTO "audit_node" VALUES(1,4,X'B294B9F53BFC26DA95DCB2CA94DB5E17D8AC92516C9AFE368592FAC45C31E6CF');
INSERT INTO "audit_node" VALUES(1,5,X'447CB5DB51C98CF4D8EA60F54DE333C5EB07E43FA479A3B19D673F5798308866');
INSERT INTO "audit_node" VALUES(2,2,X'0E04F4B9CEB87335BF68CE7C3A0FCDE7B2AC28804A4AE9350B96D2EB64B6B6B3');
INSERT INTO "audit_node" VALUES(1,6,X'0841DD4CC4CBC39FC772F91BED18308EA1044B1980D69CD58624652C7CA40F4B');
INSERT INTO "audit_node" VALUES(1,7,X'0A8C96F718576308C60ECF76C90E0813BBBD3FB53FC9747AF7FF1B45B2F616F9');
INSERT INTO "audit_node" VALUES(2,3,X'9BAF19EC4E4B8238910F5C4493EE36BC227FA7D9014980001DAF7B6E113B1728');
INSERT INTO "audit_node" VALUES(3,1,X'E91A614B22B5830057BC9678783369F1DFFB52542ECF251C90E2A9F6E6D51C24');
INSERT INTO "audit_node" VALUES(4,0,X'53D2223C997D544AC2A061D5704A7D65267FDDCDCD57E012882537944385ACD2');
INSERT INTO "audit_node" VALUES(1,8,X'82341E05745C594F1D26CC66F035F5BBF0806990F96F45142CD6F926647C3776');
INSERT INTO "audit_node" VALUES(1,9,X'951E4256D353B6CD28615234B9D874481A5388BC0F7802119F391BA36F9E8B20');
INSERT INTO "audit_node" VALUES(2,4,X'A98FE47464CD12C8FAED8FF1BABE4465C2031536A8C74C7203291BB767977D1D');
INSERT INTO "audit_node" VALUES(1,10,X'E80CD0BAE3B4A5CF9DAE1ED41A4872247FC5CD0B1B48131EAC70842401DDB496');
INSERT INTO "audit_node" VALUES(1,11,X'017B8F3CA9FA90C1B09639E354A490C628E3C6A675FDBAF5F8ACF5E9D62815C4');
INSERT INTO "audit_node" VALUES(2,5,X'961D19829A9B83E337FC2181768997EA02931A57F165569B71A56A12F1B4596A');
INSERT INTO "audit_node" VALUES(3,2,X'D7ABED2749E15B7AAFD44D9C48CA03800EE325B3DA4F38E031F6441B193ED87C');
INSERT INTO "audit_node" VALUES(1,12,X'745ECD03BAB7A14A3EACE62048239950D342DDE87DA56B35D6A78CBC9BF5462A');
INSERT INTO "audit_node" VALUES(1,13,X'3C4E6F87A550727E02E70DDB3943B39E9F51E574307845E6DD8D5B99D0C54634');
INSERT INTO "audit_node" VALUES(2,6,X'1C54C13E50126792ACA4B4C881F4EA9103A98C00E6416BEC74C4ACF139BCF566');
INSERT INTO "audit_node" VALUES(1,14,X'ADC43E51738368DE8CF3AD930C0C0A83D52A7F845D7F24C4B70B5F253AC26041');
INSERT INTO "audit_node" VALUES(1,15,X'C413D86BDA48148C070D1C25A03373153BF210E856C3F4D8E2E178D05AD62C99');
INSERT INTO "audit_node" VALUES(2,7,X'7B5FF9FAB60AFABFD75EFAB104F54AE7424EFB8F3CF2902089C15851D14A2DD3');
INSERT INTO "audit_node" VALUES(3,3,X'2DFFB1CD1C468D65127755645668166D54F3EABC4244E16134424B3E16336C0B');
INSERT INTO "audit_node" VALUES(4,1,X'0AA1F08AC309507D85458C939327F7E0598E7823B35B37D5FE6A2820C5EF82B5');
INSERT INTO "audit_node" VALUES(5,0,X'DB585835C80FD1A8909F442F609A772B5405751BC939E015C0C878EFBACF2861');
INSERT INTO "audit_node" VALUES(1,16,X'CBA4D4045D6EC14D1A941913551BE1AA80DE4AB058C86432A1905CDEACE9A4B4');
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
INSERT INTO "auth_user" VALUES(1,'','2026-11-27 23:57:28.483113',0,'engineer','Person','',0,1,'2026-11-27 23:57:24.428515','Engineer');
INSERT INTO "auth_user" VALUES(2,'',NULL,0,'colleague','Person','',0,1,'2026-11-27 23:57:24.446890','Colleague');
INSERT INTO "auth_user" VALUES(3,'','2026-11-27 23:57:28.235037',0,'lead','Person','',0,1,'2026-11-27 23:57:24.476403','Lead');
INSERT INTO "auth_user" VALUES(4,'',NULL,0,'colead','Person','',0,1,'2026-11-27 23:57:24.496405','Colead');
INSERT INTO "auth_user" VALUES(5,'',NULL,0,'engineer2','Person','',0,1,'2026-11-27 23:57:24.515323','Engineer2');
INSERT INTO "auth_user" VALUES(6,'',NULL,0,'lead2','Person','',0,1,'2026-11-27 23:57:24.540429','Lead2');
INSERT INTO "auth_user" VALUES(7,'',NULL,0,'security','Person','',0,1,'2026-11-27 23:57:24.556353','Security');
INSERT INTO "auth_user" VALUES(8,'',NULL,0,'security2','Person','',0,1,'2026-11-27 23:57:24.572388','Security2');
INSERT INTO "auth_user" VALUES(9,'',NULL,1,'admin','Person','',1,1,'2026-11-27 23:57:24.584562','Admin');
INSERT INTO "auth_user" VALUES(10,'',NULL,0,'stranger','Person','',0,1,'2026-11-27 23:57:24.588335','Stranger');
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
INSERT INTO "django_migrations" VALUES(1,'contenttypes','0001_initial','2026-11-27 23:57:18.407243');
INSERT INTO "django_migrations" VALUES(2,'auth','0001_initial','2026-11-27 23:57:18.428394');
INSERT INTO "django_migrations" VALUES(3,'account','0001_initial','2026-11-27 23:57:18.446918');
INSERT INTO "django_migrations" VALUES(4,'account','0002_email_max_length','2026-11-27 23:57:18.451816');
INSERT INTO "django_migrations" VALUES(5,'account','0003_alter_emailaddress_create_unique_verified_email','2026-11-27 23:57:18.481185');
INSERT INTO "django_migrations" VALUES(6,'account','0004_alter_emailaddress_drop_unique_email','2026-11-27 23:57:18.493812');
INSERT INTO "django_migrations" VALUES(7,'account','0005_emailaddress_idx_upper_email','2026-11-27 23:57:18.508851');
INSERT INTO "django_migrations" VALUES(8,'account','0006_emailaddress_lower','2026-11-27 23:57:18.523470');
INSERT INTO "django_migrations" VALUES(9,'account','0007_emailaddress_idx_email','2026-11-27 23:57:18.547706');
INSERT INTO "django_migrations" VALUES(10,'account','0008_emailaddress_unique_primary_email_fixup','2026-11-27 23:57:18.562987');
INSERT INTO "django_migrations" VALUES(11,'account','0009_emailaddress_unique_primary_email','2026-11-27 23:57:18.589099');
INSERT INTO "django_migrations" VALUES(12,'admin','0001_initial','2026-11-27 23:57:18.612515');
INSERT INTO "django_migrations" VALUES(13,'admin','0002_logentry_remove_auto_add','2026-11-27 23:57:18.644016');
INSERT INTO "django_migrations" VALUES(14,'admin','0003_logentry_add_action_flag_choices','2026-11-27 23:57:18.665549');
INSERT INTO "django_migrations" VALUES(15,'audit','0001_initial','2026-11-27 23:57:18.704960');
INSERT INTO "django_migrations" VALUES(16,'audit','0002_append_only','2026-11-27 23:57:18.728623');
INSERT INTO "django_migrations" VALUES(17,'contenttypes','0002_remove_content_type_name','2026-11-27 23:57:18.777851');
INSERT INTO "django_migrations" VALUES(18,'auth','0002_alter_permission_name_max_length','2026-11-27 23:57:18.810607');
INSERT INTO "django_migrations" VALUES(19,'auth','0003_alter_user_email_max_length','2026-11-27 23:57:18.830713');
INSERT INTO "django_migrations" VALUES(20,'auth','0004_alter_user_username_opts','2026-11-27 23:57:18.852462');
INSERT INTO "django_migrations" VALUES(21,'auth','0005_alter_user_last_login_null','2026-11-27 23:57:18.867275');
INSERT INTO "django_migrations" VALUES(22,'auth','0006_require_contenttypes_0002','2026-11-27 23:57:18.880646');
INSERT INTO "django_migrations" VALUES(23,'auth','0007_alter_validators_add_error_messages','2026-11-27 23:57:18.904969');
INSERT INTO "django_migrations" VALUES(24,'auth','0008_alter_user_username_max_length','2026-11-27 23:57:18.929751');
INSERT INTO "django_migrations" VALUES(25,'auth','0009_alter_user_last_name_max_length','2026-11-27 23:57:18.957718');
INSERT INTO "django_migrations" VALUES(26,'auth','0010_alter_group_name_max_length','2026-11-27 23:57:18.979000');
INSERT INTO "django_migrations" VALUES(27,'auth','0011_update_proxy_permissions','2026-11-27 23:57:19.011381');
INSERT INTO "django_migrations" VALUES(28,'auth','0012_alter_user_first_name_max_length','2026-11-27 23:57:19.035492');
INSERT INTO "django_migrations" VALUES(29,'keys_app','0001_initial','2026-11-27 23:57:22.587411');
INSERT INTO "django_migrations" VALUES(30,'keys_app','0002_database_rules','2026-11-27 23:57:22.653742');
INSERT INTO "django_migrations" VALUES(31,'keys_app','0003_groups','2026-11-27 23:57:22.707933');
INSERT INTO "django_migrations" VALUES(32,'post_office','0001_initial','2026-11-27 23:57:22.761900');
INSERT INTO "django_migrations" VALUES(33,'post_office','0002_add_i18n_and_backend_alias','2026-11-27 23:57:23.287699');
INSERT INTO "django_migrations" VALUES(34,'post_office','0003_longer_subject','2026-11-27 23:57:23.349686');
INSERT INTO "django_migrations" VALUES(35,'post_office','0004_auto_20160607_0901','2026-11-27 23:57:23.614404');
INSERT INTO "django_migrations" VALUES(36,'post_office','0005_auto_20170515_0013','2026-11-27 23:57:23.649567');
INSERT INTO "django_migrations" VALUES(37,'post_office','0006_attachment_mimetype','2026-11-27 23:57:23.683951');
INSERT INTO "django_migrations" VALUES(38,'post_office','0007_auto_20170731_1342','2026-11-27 23:57:23.695217');
INSERT INTO "django_migrations" VALUES(39,'post_office','0008_attachment_headers','2026-11-27 23:57:23.722037');
INSERT INTO "django_migrations" VALUES(40,'post_office','0009_requeued_mode','2026-11-27 23:57:23.761667');
INSERT INTO "django_migrations" VALUES(41,'post_office','0010_message_id','2026-11-27 23:57:23.838885');
INSERT INTO "django_migrations" VALUES(42,'post_office','0011_models_help_text','2026-11-27 23:57:23.874791');
INSERT INTO "django_migrations" VALUES(43,'post_office','0012_alter_attachment_file_storage','2026-11-27 23:57:23.903316');
INSERT INTO "django_migrations" VALUES(44,'post_office','0013_email_recipient_delivery_status_alter_log_status','2026-11-27 23:57:23.931241');
INSERT INTO "django_migrations" VALUES(45,'post_office','0014_alter_email_recipient_delivery_status_and_more','2026-11-27 23:57:23.962158');
INSERT INTO "django_migrations" VALUES(46,'sessions','0001_initial','2026-11-27 23:57:23.984741');
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
CREATE TABLE "keys_app_accessreview" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "quarter" varchar(7) NOT NULL UNIQUE, "opened_at" datetime NOT NULL, "closed_at" datetime NULL, "closed_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "opened_by_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_account" ("allowed_products" text NOT NULL CHECK ((JSON_VALID("allowed_products") OR "allowed_products" IS NULL)), "forbidden_permissions" text NOT NULL CHECK ((JSON_VALID("forbidden_permissions") OR "forbidden_permissions" IS NULL)), "max_risk" varchar(10) NOT NULL, "sid" varchar(34) NOT NULL PRIMARY KEY, "name" varchar(80) NOT NULL, "environment" varchar(20) NOT NULL, "max_lifetime_days" smallint unsigned NULL CHECK ("max_lifetime_days" >= 0), "leads_required" smallint unsigned NOT NULL CHECK ("leads_required" >= 0), "is_active" bool NOT NULL, "credential_user" varchar(34) NOT NULL, "credential_ciphertext" text NOT NULL, "connected_at" datetime NOT NULL, CONSTRAINT "account_has_a_credential" CHECK (NOT ("credential_ciphertext" = '')), CONSTRAINT "account_leads_required_in_range" CHECK ("leads_required" BETWEEN 1 AND 2));
INSERT INTO "keys_app_account" VALUES('[]','[]','','AC6e73185a21b9c2f27649b18f2080fd61','Shop','staging',NULL,1,1,'SK56e081a0231a446588a1c456b1257a41','not in this dump','2026-11-27 23:57:24.394308');
INSERT INTO "keys_app_account" VALUES('[]','[]','','AC00000000000000000000000000000002','Helpdesk','staging',NULL,1,1,'SK00000000000000000000000000000000','not in this dump','2026-11-27 23:57:24.409046');
CREATE TABLE "keys_app_account_teams" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "keys_app_account_teams" VALUES(1,'AC6e73185a21b9c2f27649b18f2080fd61',1);
INSERT INTO "keys_app_account_teams" VALUES(2,'AC00000000000000000000000000000002',2);
CREATE TABLE "keys_app_accountcheck" ("account_id" varchar(34) NOT NULL PRIMARY KEY REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "last_complete_at" datetime NULL, "keys_listed" integer unsigned NOT NULL CHECK ("keys_listed" >= 0), "failed_runs" integer unsigned NOT NULL CHECK ("failed_runs" >= 0), "failing_since" datetime NULL, "last_error" varchar(400) NOT NULL);
CREATE TABLE "keys_app_apikey" ("sid" varchar(34) NOT NULL PRIMARY KEY, "friendly_name" varchar(64) NOT NULL, "policy_json" text NOT NULL, "state" varchar(10) NOT NULL, "issued_at" datetime NOT NULL, "expires_at" datetime NOT NULL, "confirmed_at" datetime NULL, "retires_at" datetime NULL, "adopted_at" datetime NULL, "revoked_at" datetime NULL, "revoke_reason" text NOT NULL, "reminded_days" smallint unsigned NULL CHECK ("reminded_days" >= 0), "looked_at" datetime NULL, "drift_json" text NOT NULL, "missing_since" datetime NULL, "handover_by" datetime NULL, "handover_warned_at" datetime NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "issuance_id" bigint NULL UNIQUE REFERENCES "keys_app_issuance" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "key_is_made_or_adopted" CHECK ((("adopted_at" IS NULL AND "issuance_id" IS NOT NULL AND "request_id" IS NOT NULL) OR ("adopted_at" IS NOT NULL AND "issuance_id" IS NULL AND "request_id" IS NULL AND "retires_at" IS NULL))), CONSTRAINT "made_key_has_a_policy" CHECK ((NOT ("policy_json" = '') OR "request_id" IS NULL)), CONSTRAINT "key_state_known" CHECK ("state" IN ('active', 'revoking', 'revoked')), CONSTRAINT "key_revoked_at_matches_state" CHECK ((("revoked_at" IS NOT NULL AND "state" = 'revoked') OR (NOT ("state" = 'revoked') AND "revoked_at" IS NULL))), CONSTRAINT "key_expires_after_issue" CHECK ("expires_at" > ("issued_at")));
INSERT INTO "keys_app_apikey" VALUES('SKafd8ef0bf0a749b4c989486af4f10ca1','fresh [kp:AFXLXVP5Y5P3]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-27 23:57:25.373553','2026-12-27 23:57:25.373553',NULL,NULL,NULL,NULL,'',NULL,'2026-11-27 23:57:25.373553','',NULL,NULL,NULL,'AC6e73185a21b9c2f27649b18f2080fd61',1,1,'8a3e636c3eee4bb5abf8c1242f8aed8e',1);
INSERT INTO "keys_app_apikey" VALUES('SK284981e9b53e11883d2007472c2dfb35','confirmed [kp:PCI6XR3KZAPR]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-27 23:57:25.873409','2026-12-27 23:57:25.873409','2026-11-27 23:57:27.104030',NULL,NULL,NULL,'',NULL,'2026-11-27 23:57:25.873409','',NULL,NULL,NULL,'AC6e73185a21b9c2f27649b18f2080fd61',1,2,'35ebb0f83e4c4e2e847fd2d9fe3a22ab',1);
INSERT INTO "keys_app_apikey" VALUES('SK69f4083a48bdb2677ad3b8e92323fe0a','retiring [kp:MIERZ35DIY65]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-27 23:57:26.594204','2026-12-27 23:57:26.594204',NULL,'2026-11-28 23:57:27.178837',NULL,NULL,'',NULL,'2026-11-27 23:57:26.594204','',NULL,NULL,NULL,'AC6e73185a21b9c2f27649b18f2080fd61',1,3,'d2fe714ecf024368992d8a60a0c6fbdc',1);
INSERT INTO "keys_app_apikey" VALUES('SK97d861cfb6d92aa454c9d7c816dd05b1','revoked [kp:R3DOJ6UZ2QJT]','{"allow":["/twilio/billing/usage/read"]}','revoked','2026-11-27 23:57:27.017964','2026-12-27 23:57:27.017964',NULL,NULL,NULL,'2026-11-27 23:57:27.238834','No longer needed.',NULL,'2026-11-27 23:57:27.017964','',NULL,NULL,NULL,'AC6e73185a21b9c2f27649b18f2080fd61',1,4,'de3cf96dc6b947f89942b0db7c1266dc',1);
INSERT INTO "keys_app_apikey" VALUES('SK9cd1530cdc72504a36aa759c2664a7ef','retiring [kp:3KIOBANOY3RG]','{"allow":["/twilio/billing/usage/read"]}','active','2026-11-27 23:57:27.179677','2026-12-27 23:57:26.594204',NULL,NULL,NULL,NULL,'',NULL,'2026-11-27 23:57:27.179677','',NULL,NULL,NULL,'AC6e73185a21b9c2f27649b18f2080fd61',1,5,'d2fe714ecf024368992d8a60a0c6fbdc',1);
CREATE TABLE "keys_app_approval" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "capacity" varchar(10) NOT NULL, "rule_name" varchar(80) NOT NULL, "decision" varchar(10) NOT NULL, "stage" smallint unsigned NOT NULL CHECK ("stage" >= 0), "content_digest" varchar(64) NOT NULL, "reason" text NOT NULL, "created_at" datetime NOT NULL, "void_at" datetime NULL, "void_reason" text DEFAULT '' NOT NULL, "approver_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "authority_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "void_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "rejection_has_a_reason" CHECK (("decision" = 'approved' OR NOT ("reason" = ''))), CONSTRAINT "decided_by_a_person_or_a_rule" CHECK ((("approver_id" IS NOT NULL AND "rule_name" = '') OR (NOT ("rule_name" = '') AND "approver_id" IS NULL AND "capacity" = 'rule' AND "decision" = 'approved'))), CONSTRAINT "void_approval_has_a_reason" CHECK ((("void_at" IS NULL AND "void_by_id" IS NULL AND "void_reason" = '') OR ("decision" = 'approved' AND "void_at" IS NOT NULL AND NOT ("void_reason" = '')))));
INSERT INTO "keys_app_approval" VALUES(1,'lead','','approved',1,'4bd3dcb164c08a2691bcaf8de290fe111c1eada0b16fae4ee80d79f0f4807f3e','','2026-11-27 23:57:25.212893',NULL,'',3,3,NULL,'8a3e636c3eee4bb5abf8c1242f8aed8e');
INSERT INTO "keys_app_approval" VALUES(2,'lead','','approved',1,'ad9b24b349ecd54a879d59bc7024e5710bac865a73762a862a4f3382d2561582','','2026-11-27 23:57:25.729476',NULL,'',3,3,NULL,'35ebb0f83e4c4e2e847fd2d9fe3a22ab');
INSERT INTO "keys_app_approval" VALUES(3,'lead','','approved',1,'13f690643ebb04211d0035dbcf61bf9c3923d8eeaf4b4de260aa06642efaaa9b','','2026-11-27 23:57:26.435520',NULL,'',3,3,NULL,'d2fe714ecf024368992d8a60a0c6fbdc');
INSERT INTO "keys_app_approval" VALUES(4,'lead','','approved',1,'1981cb745cf7b56298045b30d6903ff2e3ffcf1d31a3a991353284f2ef144536','','2026-11-27 23:57:26.880072',NULL,'',3,3,NULL,'de3cf96dc6b947f89942b0db7c1266dc');
INSERT INTO "keys_app_approval" VALUES(5,'lead','','approved',1,'d78f63e30db606eeb3cef792df07c5a44bf3b365f6dc05e9ae22cd59b8eea3db','','2026-11-27 23:57:27.621160',NULL,'',3,3,NULL,'d863ddb3436947e9979a0d9b711af316');
INSERT INTO "keys_app_approval" VALUES(6,'lead','','approved',1,'eb050b4bc825b84042887c0e5702b48442cca46faaaf6012a5605417a23f874e','','2026-11-27 23:57:27.827242',NULL,'',3,3,NULL,'31dfda55d0af46f9b89213a48eda42b5');
INSERT INTO "keys_app_approval" VALUES(7,'lead','','approved',1,'9cd32523df3637ec37f11f6cccb4ee8a8fd378aa8e921af7a9455c59279e506e','Less is enough.','2026-11-27 23:57:28.099328',NULL,'',3,3,NULL,'9a83bddf40804f9cab795a1ff2975753');
INSERT INTO "keys_app_approval" VALUES(8,'lead','','rejected',1,'db30b4dad940fd1813b6e868069d5768b0905c156cef8068e8fd13eaba07b9d4','Use the shared one.','2026-11-27 23:57:28.340742',NULL,'',3,3,NULL,'ff0042bd401d425cb29a8ed2106e06e4');
CREATE TABLE "keys_app_approvalrule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(80) NOT NULL UNIQUE, "template" varchar(60) NOT NULL, "environment" varchar(20) NOT NULL, "max_lifetime_days" smallint unsigned NOT NULL CHECK ("max_lifetime_days" >= 0), "is_active" bool NOT NULL, "team_id" bigint NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_catalogueobservation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "permission" varchar(200) NOT NULL, "accepted" bool NOT NULL, "seen_at" datetime NOT NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "one_observation_per_permission" UNIQUE ("account_id", "permission"));
CREATE TABLE "keys_app_cataloguepermission" ("name" varchar(200) NOT NULL PRIMARY KEY, "meaning" varchar(200) NOT NULL, "removed" bool NOT NULL);
CREATE TABLE "keys_app_comment" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "text" text NOT NULL, "created_at" datetime NOT NULL, "author_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "keys_app_delegation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "starts_at" datetime NOT NULL, "ends_at" datetime NOT NULL, "created_at" datetime NOT NULL, "ended_at" datetime NULL, "deputy_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "lead_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "deputy_is_somebody_else" CHECK (NOT ("lead_id" = ("deputy_id"))), CONSTRAINT "delegation_ends_after_it_starts" CHECK ("ends_at" >= ("starts_at")));
CREATE TABLE "keys_app_feedtoken" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(80) NOT NULL, "digest" varchar(64) NOT NULL UNIQUE, "created_at" datetime NOT NULL, "expires_at" datetime NOT NULL, "warned_at" datetime NULL, "revoked_at" datetime NULL, "end_reason" varchar(80) NOT NULL, "last_used_at" datetime NULL, "last_recorded_at" datetime NULL, "created_by_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "feed_expires_after_it_was_created" CHECK ("expires_at" > ("created_at")));
CREATE TABLE "keys_app_issuance" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "number" smallint unsigned NOT NULL CHECK ("number" >= 0), "marker" varchar(12) NOT NULL UNIQUE, "state" varchar(20) NOT NULL, "started_at" datetime NOT NULL, "finished_at" datetime NULL, "twilio_code" integer NULL, "message" varchar(400) NOT NULL, "key_sid" varchar(34) NOT NULL, "orphan_sid" varchar(34) NOT NULL, "times_not_listed" smallint unsigned NOT NULL CHECK ("times_not_listed" >= 0), "overlap_hours" smallint unsigned NULL CHECK ("overlap_hours" >= 0), "rotates_id" varchar(34) NULL REFERENCES "keys_app_apikey" ("sid") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "issuances_are_numbered" UNIQUE ("request_id", "number"), CONSTRAINT "issuance_state_known" CHECK ("state" IN ('started', 'unknown', 'issued', 'refused', 'not_processed', 'never_created', 'orphan_deleted', 'breach')), CONSTRAINT "rotation_has_an_overlap" CHECK ((("overlap_hours" IS NULL AND "rotates_id" IS NULL) OR ("overlap_hours" IS NOT NULL AND "rotates_id" IS NOT NULL))));
INSERT INTO "keys_app_issuance" VALUES(1,1,'AFXLXVP5Y5P3','issued','2026-11-27 23:57:25.333293','2026-11-27 23:57:25.366174',NULL,'','SKafd8ef0bf0a749b4c989486af4f10ca1','',0,NULL,NULL,'8a3e636c3eee4bb5abf8c1242f8aed8e');
INSERT INTO "keys_app_issuance" VALUES(2,1,'PCI6XR3KZAPR','issued','2026-11-27 23:57:25.863217','2026-11-27 23:57:25.872097',NULL,'','SK284981e9b53e11883d2007472c2dfb35','',0,NULL,NULL,'35ebb0f83e4c4e2e847fd2d9fe3a22ab');
INSERT INTO "keys_app_issuance" VALUES(3,1,'MIERZ35DIY65','issued','2026-11-27 23:57:26.578213','2026-11-27 23:57:26.592690',NULL,'','SK69f4083a48bdb2677ad3b8e92323fe0a','',0,NULL,NULL,'d2fe714ecf024368992d8a60a0c6fbdc');
INSERT INTO "keys_app_issuance" VALUES(4,1,'R3DOJ6UZ2QJT','issued','2026-11-27 23:57:26.994986','2026-11-27 23:57:27.016641',NULL,'','SK97d861cfb6d92aa454c9d7c816dd05b1','',0,NULL,NULL,'de3cf96dc6b947f89942b0db7c1266dc');
INSERT INTO "keys_app_issuance" VALUES(5,2,'3KIOBANOY3RG','issued','2026-11-27 23:57:27.153473','2026-11-27 23:57:27.177371',NULL,'','SK9cd1530cdc72504a36aa759c2664a7ef','',0,24,'SK69f4083a48bdb2677ad3b8e92323fe0a','d2fe714ecf024368992d8a60a0c6fbdc');
CREATE TABLE "keys_app_keyrequest" ("id" char(32) NOT NULL PRIMARY KEY, "friendly_name" varchar(46) NOT NULL, "purpose" text NOT NULL, "ticket_url" varchar(500) NOT NULL, "lifetime_days" smallint unsigned NOT NULL CHECK ("lifetime_days" >= 0), "policy_json" text NOT NULL, "content_digest" varchar(64) NOT NULL, "risk" varchar(10) NOT NULL, "leads_required" smallint unsigned NOT NULL CHECK ("leads_required" >= 0), "incident" varchar(40) NOT NULL, "template" varchar(60) NOT NULL, "state" varchar(10) NOT NULL, "created_at" datetime NOT NULL, "approved_at" datetime NULL, "claim_until" datetime NULL, "reopened_at" datetime NULL, "reopened_reason" text DEFAULT '' NOT NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "changes_key_id" varchar(34) NULL REFERENCES "keys_app_apikey" ("sid") DEFERRABLE INITIALLY DEFERRED, "requester_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "team_id" bigint NOT NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "request_state_known" CHECK ("state" IN ('pending', 'approved', 'issuing', 'issued', 'failed', 'rejected', 'cancelled', 'lapsed')), CONSTRAINT "request_risk_known" CHECK ("risk" IN ('low', 'medium', 'high', 'critical')), CONSTRAINT "request_lifetime_in_range" CHECK ("lifetime_days" BETWEEN 1 AND 365), CONSTRAINT "request_approved_before_issuing" CHECK ((NOT ("state" IN ('approved', 'issuing', 'issued', 'failed')) OR "approved_at" IS NOT NULL)), CONSTRAINT "break_glass_key_lives_a_day_at_most" CHECK (("incident" = '' OR "lifetime_days" = 1)), CONSTRAINT "reopened_with_a_reason" CHECK ((("reopened_at" IS NULL AND "reopened_reason" = '') OR ("reopened_at" IS NOT NULL AND NOT ("reopened_reason" = '')))));
INSERT INTO "keys_app_keyrequest" VALUES('8a3e636c3eee4bb5abf8c1242f8aed8e','fresh','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','4bd3dcb164c08a2691bcaf8de290fe111c1eada0b16fae4ee80d79f0f4807f3e','low',1,'','','issued','2026-11-27 23:57:24.935721','2026-11-27 23:57:25.214419','2026-11-30 23:57:25.214419',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('35ebb0f83e4c4e2e847fd2d9fe3a22ab','confirmed','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','ad9b24b349ecd54a879d59bc7024e5710bac865a73762a862a4f3382d2561582','low',1,'','','issued','2026-11-27 23:57:25.464354','2026-11-27 23:57:25.730883','2026-11-30 23:57:25.730883',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('d2fe714ecf024368992d8a60a0c6fbdc','retiring','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','13f690643ebb04211d0035dbcf61bf9c3923d8eeaf4b4de260aa06642efaaa9b','low',1,'','','issued','2026-11-27 23:57:25.966038','2026-11-27 23:57:26.445320','2026-11-30 23:57:26.445320',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('de3cf96dc6b947f89942b0db7c1266dc','revoked','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','1981cb745cf7b56298045b30d6903ff2e3ffcf1d31a3a991353284f2ef144536','low',1,'','','issued','2026-11-27 23:57:26.698606','2026-11-27 23:57:26.885711','2026-11-30 23:57:26.885711',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('f84feacfef3342f8a1dad762c15d9c44','waits','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','2878b298a51ecad39fc68427b7eddcf98e3e102c2b7d3a19a7f4fc6c561f50d9','low',1,'','','pending','2026-11-27 23:57:27.355030',NULL,NULL,NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('d863ddb3436947e9979a0d9b711af316','half-approved','A monthly report.','',30,'{"allow":["/twilio/iam/api-keys/create"]}','d78f63e30db606eeb3cef792df07c5a44bf3b365f6dc05e9ae22cd59b8eea3db','critical',1,'','','pending','2026-11-27 23:57:27.451072',NULL,NULL,NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('31dfda55d0af46f9b89213a48eda42b5','approved','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','eb050b4bc825b84042887c0e5702b48442cca46faaaf6012a5605417a23f874e','low',1,'','','approved','2026-11-27 23:57:27.707217','2026-11-27 23:57:27.832649','2026-11-30 23:57:27.832649',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('9a83bddf40804f9cab795a1ff2975753','narrowed','A monthly report.','',30,'{"allow":["/twilio/messaging/messages/list"]}','9cd32523df3637ec37f11f6cccb4ee8a8fd378aa8e921af7a9455c59279e506e','high',1,'','','approved','2026-11-27 23:57:27.899341','2026-11-27 23:57:28.100665','2026-11-30 23:57:28.100665',NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('ff0042bd401d425cb29a8ed2106e06e4','refused','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','db30b4dad940fd1813b6e868069d5768b0905c156cef8068e8fd13eaba07b9d4','low',1,'','','rejected','2026-11-27 23:57:28.175742',NULL,NULL,NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
INSERT INTO "keys_app_keyrequest" VALUES('aefbdd2aaac14d8bbcab46d69ba328ae','cancelled','A monthly report.','',30,'{"allow":["/twilio/billing/usage/read"]}','6bebba9f3041dc3a59179807dac923f5c2a59739304112c2a41c0aa5f5cd9251','low',1,'','','cancelled','2026-11-27 23:57:28.420013',NULL,NULL,NULL,'','AC6e73185a21b9c2f27649b18f2080fd61',NULL,1,1);
CREATE TABLE "keys_app_narrowing" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "from_policy_json" text NOT NULL, "to_policy_json" text NOT NULL, "from_lifetime_days" smallint unsigned NOT NULL CHECK ("from_lifetime_days" >= 0), "to_lifetime_days" smallint unsigned NOT NULL CHECK ("to_lifetime_days" >= 0), "from_digest" varchar(64) NOT NULL, "to_digest" varchar(64) NOT NULL, "reason" text NOT NULL, "created_at" datetime NOT NULL, "approver_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "request_id" char(32) NOT NULL REFERENCES "keys_app_keyrequest" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "narrowed_once_from_the_same" UNIQUE ("request_id", "from_digest"), CONSTRAINT "narrowing_changes_something" CHECK (NOT ("from_digest" = ("to_digest"))), CONSTRAINT "narrowing_does_not_lengthen" CHECK (("to_lifetime_days" >= 1 AND "to_lifetime_days" <= ("from_lifetime_days"))), CONSTRAINT "narrowing_has_a_reason" CHECK (NOT ("reason" = '')));
INSERT INTO "keys_app_narrowing" VALUES(1,'{"allow":["/twilio/messaging/messages/list","/twilio/messaging/messages/read"]}','{"allow":["/twilio/messaging/messages/list"]}',30,30,'26fd133345dfa396fa22282a68ee3cde183076e30f7ee08cc7108b0b28cd273d','9cd32523df3637ec37f11f6cccb4ee8a8fd378aa8e921af7a9455c59279e506e','Less is enough.','2026-11-27 23:57:28.096629',3,'9a83bddf40804f9cab795a1ff2975753');
CREATE TABLE "keys_app_noticekey" ("id" char(32) NOT NULL PRIMARY KEY, "key" varchar(200) NOT NULL UNIQUE, "created_at" datetime NOT NULL);
INSERT INTO "keys_app_noticekey" VALUES('18301ca0e97048dd85882016b2a25205','audit.checkpoint:be1c0bf7e32fbcaa5f5a529ebd66a462e01796bf975b9809997560937e965c4e','2026-11-27 23:57:27.283781');
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
CREATE TABLE "keys_app_unmanagedkey" ("sid" varchar(34) NOT NULL PRIMARY KEY, "friendly_name" varchar(200) NOT NULL, "created_at" datetime NULL, "first_seen" datetime NOT NULL, "last_seen" datetime NOT NULL, "missing_since" datetime NULL, "gone_at" datetime NULL, "looked_at" datetime NULL, "policy_json" text NOT NULL, "adopted_at" datetime NULL, "account_id" varchar(34) NOT NULL REFERENCES "keys_app_account" ("sid") DEFERRABLE INITIALLY DEFERRED, "proposed_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "proposed_team_id" bigint NULL REFERENCES "keys_app_team" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "policy_was_looked_at" CHECK (("policy_json" = '' OR "looked_at" IS NOT NULL)));
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
