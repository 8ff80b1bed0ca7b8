// Uses Twilio's own library for Node against the simulator, as its users do, and prints what came back as JSON.
// Arguments: base URL, account. Standard input: JSON with username and password. A secret is never printed.
import { readFileSync } from "node:fs";
import twilio from "twilio";

const [base, account] = process.argv.slice(2);
const given = JSON.parse(readFileSync(0, "utf8"));

/** Sends what is meant for Twilio to the simulator. */
class Redirected extends twilio.RequestClient {
  request(options) {
    const there = new URL(options.uri);
    return super.request({ ...options, uri: base + there.pathname + there.search });
  }
}

const client = (username, password) =>
  twilio(username, password, { accountSid: account, httpClient: new Redirected() });

/** Returns what a call came to: its result, or the status and code it was refused with. */
const outcome = (call) =>
  call.then(
    (value) => ({ value }),
    (error) => ({ status: error.status, code: error.code, message: error.message }),
  );

const main = client(given.username, given.password);
const iam = main.iam.v1;
const make = (allow) =>
  iam.newApiKey.create({
    accountSid: account, friendlyName: "node", keyType: "restricted", policy: { allow },
  });

const may = await make(["/twilio/messaging/messages/list"]);
const mayNot = await make(["/twilio/messaging/services/read"]);
const fetched = await iam.apiKey(may.sid).fetch();
const listed = await iam.getApiKeys.list({ accountSid: account, pageSize: 1 });
const messages = (key) => client(key.sid, key.secret).messages.list({ limit: 1 });

console.log(JSON.stringify({
  sids: [may.sid, mayNot.sid],
  secret: typeof may.secret,
  policy: fetched.policy,
  dateUpdated: fetched.dateUpdated instanceof Date,
  listed: listed.map((key) => key.sid),
  may: await outcome(messages(may)),
  mayNot: await outcome(messages(mayNot)),
  stranger: await outcome(client(may.sid, "wrong").iam.v1.apiKey(may.sid).fetch()),
  gone: await outcome(iam.apiKey(may.sid).remove().then(() => iam.apiKey(may.sid).fetch())),
}));
