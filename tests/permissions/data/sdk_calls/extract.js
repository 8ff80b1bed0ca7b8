"use strict";
// Writes down what Twilio's Node SDK sends, as extract.py does for the others: node extract.js > node.tsv, beside
// an installed package "twilio". Every property of a client is followed, and each operation called with an HTTP
// client that notes the request and sends nothing.
const twilio = require("twilio");

let seen = null;
const httpClient = {
  async request(options) {
    seen = [options.method.toUpperCase(), options.uri];
    return new Promise(() => {});
  },
};
const client = twilio("AC" + "0".repeat(32), "x", { httpClient });
const anything = new Proxy({}, { get: (_, name) => (name === "toJSON" ? undefined : "x"), has: () => true });
const OPERATIONS = ["create", "list", "fetch", "update", "remove"];
const lines = new Set();

function names(thing) {
  const found = new Set();
  for (let at = thing; at && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    Object.getOwnPropertyNames(at).forEach((name) => found.add(name));
  }
  return [...found].filter((name) => /^[a-z]\w*$/.test(name) && !["constructor", "length", "name", "prototype"].includes(name));
}

async function operations(thing, chain) {
  for (const name of OPERATIONS.filter((one) => typeof thing[one] === "function")) {
    seen = null;
    try {
      thing[name](name === "list" ? { channel: "x" } : anything, () => {});
    } catch {
      continue;
    }
    await new Promise((done) => setImmediate(done));
    if (seen) {
      const url = new URL(seen[1]);
      const path = decodeURIComponent(url.pathname).replace(/\/sid\d?(?=[/.]|$)/g, "/{}").replace("/AC" + "0".repeat(32), "/{}");
      const given = name === "create" || name === "update" ? "({ to })" : name === "list" ? "({ limit: 20 })" : "()";
      lines.add([seen[0], url.hostname.split(".")[0], path, `await ${chain}.${name}${given};`].join("\t"));
    }
  }
}

async function below(thing, chain, depth) {
  if (depth > 9) return;
  if (depth) await operations(thing, chain);
  for (const name of names(thing)) {
    if (["account", "domain", "twilio", "httpClient", "version"].includes(name)) continue;
    let child;
    try {
      child = thing[name];
    } catch {
      continue;
    }
    if (!child || typeof child._version !== "object") continue;
    await below(child, `${chain}.${name}`, depth + 1);
    if (typeof child === "function" && child.get) {
      const contexts = ["sid"].slice(0, child.get.length).map(() => "sid");
      try {
        await below(child(...contexts), `${chain}.${name}(${contexts.join(", ")})`, depth + 1);
      } catch {
        continue;
      }
    }
  }
}

process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});
(async () => {
  console.log(`# node ${require("twilio/package.json").version}`);
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(client))) {
    const domain = client[name];
    if (!domain || !domain.baseUrl) continue;
    for (const version of names(domain).filter((one) => /^v\d+$/.test(one))) {
      const start = name === "api" ? "client.api.v2010" : `client.${name}.${version}`;
      await below(domain[version], start, 0);
    }
  }
  await below(client.api.v2010.account, "client", 0);
  [...lines].forEach((line) => console.log(line));
})();
