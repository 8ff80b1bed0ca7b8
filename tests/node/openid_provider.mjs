// An OpenID provider for tests: node openid_provider.mjs PORT CALLBACK AFTER_SIGN_OUT
//
// Who signs in, and what is said of them, is put to /control as JSON: {"account": "sub", "claims": {…}}. Without an
// account the user refuses. Signing in takes no password: the page that would ask for one answers by itself.
import Provider from "oidc-provider";

const [port, callback, afterSignOut] = process.argv.slice(2);
let said = { account: "", claims: {} };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "portal",
      client_secret: "only-for-tests",
      redirect_uris: [callback],
      post_logout_redirect_uris: [afterSignOut],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  claims: {
    openid: ["sub", "groups", "roles", "hasgroups", "amr", "_claim_names", "_claim_sources"],
    profile: ["name", "given_name", "family_name", "preferred_username"],
    email: ["email", "email_verified"],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ["only-for-tests"] },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => {
        context.body = `<!doctype html><title>Sign out</title>${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign out</button>`;
      },
    },
  },
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ ...said.claims, sub: id }) }),
  interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({ clientId: "portal", accountId: context.oidc.session.accountId });
    grant.addOIDCScope(context.oidc.params.scope);
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  renderError: (context, out) => {
    context.type = "html";
    context.body = `<!doctype html><title>Error</title><p>${JSON.stringify(out)}`;
  },
});

provider.use(async (context, next) => {
  if (context.path === "/control") {
    const parts = [];
    for await (const part of context.req) parts.push(part);
    said = JSON.parse(Buffer.concat(parts).toString());
    context.body = "ok";
  } else if (context.path.startsWith("/interaction/")) {
    const result = said.account ? { login: { accountId: said.account } } : { error: "access_denied" };
    context.respond = false;
    await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
  } else {
    await next();
  }
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
