"""Code that calls Twilio is read however it is written; code that looks like it, and isn't, ticks nothing."""

import pytest

from keys_app.permissions.paste import read_paste
from tests.permissions.test_paste import lines_run

SEND, CALLS = "messaging/messages/create", "voice/calls/list"

# What is pasted, and the permissions it needs without "/twilio/", in order.
READ = [
    # the client under any name, where the paste says what it is
    ("tw = Client(sid, token)\ntw.messages.create(to=to, from_=me, body=text)", [SEND]),
    ("from twilio.rest import Client as T\nx = T()\nx.calls.list()", [CALLS]),
    ("import twilio.rest\nx = twilio.rest.Client(sid, token)\nx.calls.list()", [CALLS]),
    ("self._tw = Client(sid, token)\ndef go(self):\n    return self._tw.calls.list()", [CALLS]),
    ("with Client(sid, token) as c:\n    c.calls.list()", [CALLS]),
    ("def send(c: Client, text):\n    c.messages.create(body=text)", [SEND]),
    ("x = make_twilio_client()\nx.calls.list()", [CALLS]),
    ("x = await get_twilio()\nawait x.messages.create_async(body=t)", [SEND]),
    ("async_client.calls.list_async()", [CALLS]),
    ("const t = require('twilio')(sid, token);\nt.messages.create({ to, body });", [SEND]),
    ("const twilio = require('twilio');\nconst x = twilio(sid, token);\nx.calls.list();", [CALLS]),
    ("import Foo from 'twilio';\nconst x = new Foo.Twilio(sid, token);\nx.calls.list()", [CALLS]),
    ("import { Twilio } from 'twilio';\nconst x: Twilio = new Twilio(sid, token);\nx.calls.each(cb)", [CALLS]),
    ("const x = context.getTwilioClient();\nawait x.messages.create({ body });", [SEND]),
    ("await context.getTwilioClient().messages.create({ body });", [SEND]),
    ("class A { constructor(private readonly x: Twilio) {}\n go() { return this.x.calls.list(); } }", [CALLS]),
    ("fastify.twilio.messages.create({ body })", [SEND]),
    ("this.twilio.messages.create({ body })", [SEND]),
    ("use Twilio\\Rest\\Client;\n$x = new Client($sid, $token);\n$x->messages->create($to, ['body' => $b]);", [SEND]),
    ("$x = new \\Twilio\\Rest\\Client($sid, $token);\n$x->calls->read([], 20);", [CALLS]),
    ("(new Client($sid, $token))->calls->stream()", [CALLS]),
    ("$this->x = new Client($sid, $token);\n$this->x->calls->read();", [CALLS]),
    ("require 'twilio-ruby'\n@x = Twilio::REST::Client.new sid, token\n@x.calls.list(limit: 20).each { |c| p c }",
     [CALLS]),
    ("Twilio::REST::Client.new(sid, token).api.v2010.accounts(sid).calls.list", [CALLS]),
    ("client.messages.create(\n  from: me,\n  to: you,\n  body: 'Hi'\n)", [SEND]),
    # a host and a version as no other SDK has them
    ("x.verify.v2.services(sid).verifications.create(to=to)", ["verify/verification/create"]),
    ("x.api.v2010.accounts(sid).calls.list()", [CALLS]),
    # parts in variables, and what a call returns
    ("svc = client.verify.v2.services(sid)\nsvc.verifications.create(to=to)", ["verify/verification/create"]),
    ("const calls = client.calls;\nconst one = await calls(sid).fetch();", ["voice/calls/read"]),
    ("self.svc = self.client.verify.v2.services(sid)\nself.svc.verification_checks.create(to=to, code=c)",
     ["verify/verification-check/create"]),
    ("message = client.messages.create(to=to)\nmessage.delete()", [SEND, "messaging/messages/delete"]),
    ("call = await client.calls(sid).fetch()\nawait call.update({ status })",
     ["voice/calls/read", "voice/calls/update"]),
    ("for m in client.messages.list(limit=20):\n    m.delete()",
     ["messaging/messages/list", "messaging/messages/delete"]),
    ("for (const m of await client.messages.list()) await m.remove();",
     ["messaging/messages/list", "messaging/messages/delete"]),
    ("foreach ($twilio->messages->read() as $m) { $m->delete(); }",
     ["messaging/messages/list", "messaging/messages/delete"]),
    ("try:\n    found = client.messages.list(limit=20)\n    for m in found: m.delete()\nexcept: pass\n"
     "else: tw = Client()\ntw.calls.list()", ["messaging/messages/list", "messaging/messages/delete", CALLS]),
    ("found = client.messages.list(limit=20)\nprint(len(found))\nfor m in found:\n    m.delete()",
     ["messaging/messages/list", "messaging/messages/delete"]),
    ("const found = await client.calls.list();\nawait found[0].update({ status });",
     ["voice/calls/list", "voice/calls/update"]),
    ("one = client.calls.list()[0]\none.recordings.list()", ["voice/calls/list", "voice/calls.recordings/list"]),
    ("message = client.messages.create(body=text)\nprint(message.sid)", [SEND]),
    ("@@ -1 +1 @@\n-client.messages.create(to=a)\n+client.calls.list()", [CALLS]),
    ("client.messages.get('SM1').fetch()", ["messaging/messages/read"]),
    ("$twilio->messages->getContext('SM1')->fetch()", ["messaging/messages/read"]),
    # forms of a chain
    ("await asyncio.to_thread(client.messages.create, body=text)", [SEND]),
    ("client?.messages.create({ body })", [SEND]),
    ("client!.messages!.create({ body })", [SEND]),
    ("(client\n    .messages  # all of them\n    .create(to=to))", [SEND]),
    ("client.messages // all of them\n  .create({ to })", [SEND]),
    ("client.calls.create(to=to, url=f\"https://x/{client.messages.list()[0].sid}\")", ["voice/calls/create"]),
    ("I don't know why client.messages.create(to='+1') fails", [SEND]),
    ("```python\nclient.calls.list()\n```", [CALLS]),
    ("def send(text, client=None):\n    client.messages.create(body=text)", [SEND]),
    ("send(client=None)\nclient.calls.list()", [CALLS]),
    ("class A {\n  #client;\n  go() { return this.#client.calls.list(); }\n}", [CALLS]),
    ("(async () => {\n  const x = twilio(sid, token);\n  await x.calls.list();\n})();", [CALLS]),
    ("(await getClient()).messages.create({ to, from, body: text, statusCallback })", [SEND]),
    ("twilioHandler_1.client.messages.create({ body: `Hi ${name}`, to: `whatsapp:${phone}` })", [SEND]),
    ("const client = (0, twilio_1.default)(sid, token);\nclient.calls.list();", [CALLS]),
    ("$client = new Client(env('SID'), env('TOKEN'));\n$client->account->messages->create($to, ['from' => $me]);",
     [SEND]),
    # Java and Kotlin
    ("Message.creator(PhoneNumber(to), PhoneNumber(from), text).create()", [SEND]),
    ("Message m = Message.creator(new PhoneNumber(to), new PhoneNumber(from), text).create();", [SEND]),
    ("Message.creator(\n    new com.twilio.type.PhoneNumber(\"+1\"),\n    new com.twilio.type.PhoneNumber(\"+2\"),\n"
     "    \"Hi, you\")\n  .setStatusCallback(url)\n  .create();", [SEND]),
    ("Call call = Call.fetcher(\"CA0123\").fetch();", ["voice/calls/read"]),
    ("ResourceSet<Message> sent = Message.reader().limit(50).read();", ["messaging/messages/list"]),
    ("Verification.creator(\"VA0\", to, \"sms\").create();", ["verify/verification/create"]),
    ("import com.twilio.rest.verify.v2.Service;\nService.creator(\"x\").create();", ["verify/service/create"]),
    ("import com.twilio.rest.api.v2010.account.*;\nConference.fetcher(sid).fetch();", ["voice/conferences/read"]),
    ("com.twilio.rest.api.v2010.account.Conference.reader().read()", ["voice/conferences/list"]),
    ("Flow.fetcher(sid).fetch()", ["studio/flows/read"]),  # of either version
    # C#, PowerShell
    ("var message = await MessageResource.CreateAsync(to: to, from: from, body: text);", [SEND]),
    ("var calls = CallResource.Read(limit: 20);", [CALLS]),
    ("using Twilio.Rest.Verify.V2;\nServiceResource.Create(friendlyName: \"x\");", ["verify/service/create"]),
    ("using Twilio.Rest.Api.V2010.Account;\nvar options = new CreateMessageOptions(to);\n"
     "MessageResource.Create(options);", [SEND]),
    ("[Twilio.Rest.Api.V2010.Account.MessageResource]::Create($options)", [SEND]),
    ("using CallResource = Twilio.Rest.Api.V2010.Account.CallResource;\nCallResource.Read();", [CALLS]),
    ("MessageResource.Create(new CreateMessageOptions(new PhoneNumber(to)) { Body = text });", [SEND]),
    ("var options = new CreateMessageOptions(\n  new PhoneNumber(to));\noptions.Body = text;\n"
     "MessageResource.Create(options);", [SEND]),
    # Go
    ("resp, err := client.Api.CreateMessage(params)", [SEND]),
    ("check, err := client.VerifyV2.CreateVerificationCheck(service, params)", ["verify/verification-check/create"]),
    ("import \"github.com/twilio/twilio-go\"\nfor c := range twilio.NewRestClient().Api.StreamCall(p) {}", [CALLS]),
    # the CLI
    ("twilio api:core:messages:create --to +15550100 --from +15550111 --body hello", [SEND]),
    ("$ twilio api core messages create --to +15550100", [SEND]),
    ("SID=$(twilio api:core:calls:list -o json | jq -r .[0].sid)", [CALLS]),
    ("twilio api:verify:v2:services:verifications:create --service-sid VA0 --to +1 --channel sms",
     ["verify/verification/create"]),
    ("twilio api:core:messages:remove --sid SM0", ["messaging/messages/delete"]),
    ("twilio phone-numbers:list", ["phone-numbers/active-numbers/list"]),
    ("twilio phone-numbers:update PN0 --sms-url=https://x",
     ["phone-numbers/active-numbers/read", "phone-numbers/active-numbers/update"]),
    ("twilio phone-numbers:update \"+15550100\" --sms-url=https://x",
     ["phone-numbers/active-numbers/list", "phone-numbers/active-numbers/update"]),
    ("twilio phone-numbers:buy:toll-free --country-code US",
     ["phone-numbers/available-numbers/list", "phone-numbers/active-numbers/create"]),
    ("twilio debugger:logs:list", ["monitor/alerts/list"]),
]  # fmt: skip

# What looks like a call of Twilio, and is none.
NOT_TWILIO = [
    # other SDKs
    "import anthropic\nclient = anthropic.Anthropic()\nclient.messages.create(model='m', max_tokens=9, messages=[])",
    "client.messages.create(model='m', max_tokens=9, messages=[])",
    "with client.messages.stream(model='m'",
    "reply = client.messages.create(\n    model='m',\n",
    "client.messages.create(model=MODEL, messages=history)",
    "client.messages.create({ model, messages })",
    "$client = new Client();\n$message = $client->messages->create(maxTokens: 9, messages: $m, model: 'm');",
    "self::client()->messages->create(model: self::model(), maxTokens: 20)",
    "Message response = client.messages().create(params);",
    "client = Anthropic::Client.new\nmessage = client.messages.create(**params)",
    "$client = new RestClient($id, $token);\n$client->messages->create($from, [$to], $msg);",
    "let stream = this.api.createMessage(prompt)",
    "const client = getClient();\nconst response = await client.messages.create({\n  model,\n  ...rest,\n});",
    "client.messages.stream(model=MODEL, messages=history)",
    "anthropic.messages.create({ model, max_tokens: 1024, messages })",
    "import Anthropic from '@anthropic-ai/sdk';\nconst client = new Anthropic();\nclient.messages.create(params);",
    "from anthropic import AsyncAnthropic\nclient = AsyncAnthropic()\nawait client.messages.create(**params)",
    "import anthropic\n\ndef ask(client):\n    return client.messages.create(**params)",
    "def ask(client: Anthropic):\n    return client.messages.create(**params)",
    "openai.beta.threads.messages.create(thread_id=t, role='user', content='Hi')",
    "client.beta.threads.messages.list(thread_id)",
    "from openai import OpenAI\nclient = OpenAI()\nclient.chat.completions.create(model='m', messages=[])\n"
    "client.conversations.create()",
    "client = AzureOpenAI()\nclient.messages.list()",
    "client.customers.list(limit=3)",
    "client = StripeClient('x')\nclient.accounts.list()\nclient.events.list()",
    "const stripe = require('stripe')(key);\nstripe.applications.list()",
    "const client = require('stripe')(key);\nclient.applications.list()",
    "client = plivo.RestClient(auth_id, auth_token)\nclient.messages.create(src='1', dst='2', text='Hi')",
    "client.messages.create(src='1', dst='2', text='Hi')",
    "import plivo\nclient.calls.list()",
    "from signalwire.rest import Client\nclient = Client(project, token)\nclient.messages.create(body='x', to='y')",
    "from vonage import Client\nclient = Client(key=k, secret=s)\nclient.messages.create(to='x')",
    "const vonage = new Vonage(auth);\nvonage.messages.send(new SMS({ to, from, text }));",
    "telnyx.Message.create(from_='+1', to='+2', text='Hi')",
    "const telnyx = require('telnyx')(key);\nconst client = telnyx;\nclient.messages.create({ from, to, text });",
    "telnyx.messages.create({ from, to, text })",
    "client = WebClient(token=t)\nclient.conversations_list()\nclient.messages.list()",
    "slack.conversations.list()\nslack.messages.create({ channel })",
    "client = boto3.client('connect')\nclient.calls.list()",
    "s3 = boto3.client('s3')\ns3.messages.create(to=to)",
    "const client = new Mailgun(FormData).client({ key });\nclient.messages.create(DOMAIN, { from, to, text });",
    "mg.messages.create(domain, { from, to })",
    "client.calls.create(assistant_id='a', phone_number_id='p')",
    "const client = new VapiClient({ token });\nawait client.calls.create({ ...call });",
    "client = Retell(api_key=k)\nclient.calls.list()",
    "x.messages.create(to=to, body=body)",
    "db.messages.create({ to, body })",
    "prisma.calls.create({ data })",
    "Message.objects.create(to=to)\nself.messages.list()",
    "app.messages.create(body)\nself.calls.list()",
    "client = Mock()\nclient.messages.create(body=x)",
    "client = None\nclient = FakeClient()\nclient.messages.list()",
    "anthropic_client.messages.create(**params)",
    "slackClient.messages.list()",
    "self.crm_client.calls.list()",
    "try:\n    client.messages.create(**params)\nexcept anthropic.RateLimitError:\n    pass",
    "client = Client(api_key=key)\nclient.messages.create(**params)",
    "const client = new Client({ auth: token });\nclient.messages.list()",
    "from django.test import Client\nc = Client()\nc.messages.list()",
    # strings, comments, documents
    "# client.messages.create(to=to)",
    "x = 1  # client.calls.list()",
    "// client.messages.create({ to })",
    "/* client.messages.create({ to });\n client.calls.list() */",
    "/* client.messages.create({ to });",
    '"""Sends a message.\n\n    client.messages.create(to=to)\n"""',
    "'''\nclient.messages.create(to=to)\n'''",
    "=begin\nclient.messages.create(to: to)\n=end",
    "print('client.messages.create(to=to)')",
    "console.log(`now\n client.messages.create({})\n`)",
    "// Message.creator(new PhoneNumber(a), new PhoneNumber(b), c).create();",
    'String s = "Message.reader().read()";',
    "// MessageResource.Create(to: to)",
    "// client.Api.CreateMessage(params)",
    "# twilio api:core:messages:create --to +1",
    "<!-- client.calls.list() -->",
    "ls  # then twilio api:core:messages:create --to +1",
    "echo 'now run twilio api:core:messages:create'",
    'print("twilio api:core:messages:create")',
    # the package and other parts of it
    "from twilio.rest import Client\nfrom twilio.twiml.messaging_response import MessagingResponse",
    "twilio.twiml.MessagingResponse()\ntwilio.validateRequest(token, signature, url, params)",
    "import com.twilio.rest.api.v2010.account.Message;",
    "using Twilio.Rest.Api.V2010.Account;",
    # classes and services of others
    "import org.example.Message;\nMessage.creator(new PhoneNumber(a), new PhoneNumber(b), c).create();",
    "UserResource.Create(name: x)",
    "org.example.Call.fetcher(sid).fetch()",
    "import \"github.com/acme/sdk\"\nresp, err := client.Api.CreateMessage(params)",
    "client.Api.CreateUser(params)\nclient.AcmeV2.CreateService(params)",
    "twilio api is a name\ntwilio is a company: create and list",
    "twilio-video api:core:messages:create",
]  # fmt: skip

# What is one of several things, and is offered without a tick.
OFFERED = [
    ("Conference.fetcher(sid).fetch()", ["voice/conferences/read", "voice/insights.conference.summaries/read"]),
    ("ServiceResource.Fetch(sid)",
     ["voice/intelligence.services/read", "messaging/services/read", "verify/service/read"]),
    ("twilio phone-numbers:update $NUMBER --sms-url=https://x",
     ["phone-numbers/active-numbers/read", "phone-numbers/active-numbers/list"]),
]  # fmt: skip

# What is said of what leads to no permission.
SAID = [
    ("using Twilio.Rest.Chat.V2.Service.Channel;\nMessageResource.Create(pathServiceSid: a, pathChannelSid: b);",
     "Programmable Chat"),
    ("import com.twilio.rest.conversations.v1.conversation.Message;\nMessage.creator(sid).create();", "Conversations"),
    ("import com.twilio.rest.api.v2010.account.Balance;\nBalance.fetcher().fetch();",
     "Balance.fetcher is not known here"),
    ("client.SyncV1.CreateDocument(sid, params)", "Sync"),
    ("client.VerifyV2.FetchForm(name)", "VerifyV2.FetchForm is not known here"),
    ("twilio api:core:balance:fetch", "twilio api:core:balance:fetch is not known here"),
    ("twilio api:sync:v1:services:create", "Sync"),
    ("client.accounts.list()", "accounts.list is not known here"),
    ("twilio login", "login makes an API key of its own"),
    ("twilio profiles:create", "login makes an API key of its own"),
    ("client.messages.delete()", "client.messages.delete is not known here"),
    ("NewKey.creator().create();", "about API keys"),
    ("client.Api.CreateNewKey(params)", "about API keys"),
    ("twilio api:core:keys:create", "about API keys"),
    ("Conference.fetcher(sid).fetch()", "Its import decides which one"),
]  # fmt: skip


def ticked(text):
    return [item.permission.removeprefix("/twilio/") for item in read_paste(text).suggestions]


@pytest.mark.parametrize(("text", "expected"), READ, ids=[case[0][:70] for case in READ])
def test_it_is_read_as_exactly_these_permissions(text, expected):
    assert ticked(text) == expected
    assert read_paste(text).unmapped == ()


@pytest.mark.parametrize("text", NOT_TWILIO, ids=[case[:70] for case in NOT_TWILIO])
def test_what_only_looks_like_twilio_ticks_nothing(text):
    reading = read_paste(text)
    assert (reading.suggestions, reading.offered) == ((), ())


@pytest.mark.parametrize(("text", "expected"), OFFERED, ids=[case[0][:70] for case in OFFERED])
def test_what_may_be_several_things_is_offered_without_a_tick(text, expected):
    assert [item.permission.removeprefix("/twilio/") for item in read_paste(text).offered] == expected


@pytest.mark.parametrize(("text", "said"), SAID, ids=[case[0][:70] for case in SAID])
def test_what_leads_to_no_permission_is_explained(text, said):
    assert ticked(text) == []
    assert said in " ".join(read_paste(text).unmapped)


@pytest.mark.parametrize(
    "text",
    [
        "from twilio.rest import Client\nclient = Client()\nclient.calls.list()\n"
        "client = OpenAI()\nclient.messages.list()",
        "import anthropic\nfrom twilio.rest import Client\nai = anthropic.Anthropic()\nclient = Client(a, b)\n"
        "client.calls.list()\nai.messages.create(model=m, messages=[])",
    ],
)
def test_what_a_variable_was_last_assigned_decides(text):
    assert ticked(text) == [CALLS]


PIECES = [
    'x = "\\"', "a.b = ", "client = (", "Message.creator(", "MessageResource.Create(a: ", "client.Api.CreateMessage(",
    "twilio api:core:", "twilio ", "for a in client.", "client.messages.create({", "client.messages.create([{a: [",
    '"""', "'''\\", "/*", "`", "# ", "=begin\n", "import a.", "import {a} from 'x'\n", "from a import b\n",
    "using A.B;",
    "const a = require('x')\n", "(client", "new Client(", "a::", "a\\", "$a->", "client.messages.get(", "x: Client, ",
    "client as a ", "T.reader(T.reader(", "client.a.create(client.a.create(", "client.verify.v2.services(a)\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_the_work_grows_no_faster_than_the_text(piece):
    read_paste(piece)
    short, long = (lines_run((piece * size)[:size]) for size in (2_000, 8_000))
    assert long < 5 * short + 5_000
