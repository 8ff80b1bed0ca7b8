"""What pasted code imports: whose `Client` it is, and whether the code is for another service's SDK."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .sdk_source import SourceCode

# Other services' SDKs have clients with `messages`, `calls` or `accounts`, too.
_OTHERS = frozenset(
    re.findall(
        r"\w+",
        "agora anthropic aws azure bandwidth bird boto boto3 botocore clicksend cloudflare cohere dialpad "
        "discord google groq heroku hubspot infobip intercom livekit mailgun mailjet messagebird mistralai "
        "nexmo nylas openai plivo postmark postmarker resend retell ringcentral sendgrid signalwire sinch "
        "slack slack_bolt slack_sdk stripe stytch svix telegram telnyx together vapi vonage whatsapp zendesk "
        "zoom ",
    )
)
_FORMS = (
    # Python: from twilio.rest import Client as C
    re.compile(
        r"^[ \t]{0,40}from[ \t]{1,9}(?P<module>[\w.]{1,99})[ \t]{1,9}import[ \t(]{1,9}(?P<names>[^\n#]{1,300})", re.M
    ),
    re.compile(
        r"^[ \t]{0,40}import[ \t]{1,9}(?P<module>[\w.]{1,99})(?:[ \t]{1,9}as[ \t]{1,9}(?P<names>\w{1,60}))?[ \t]{0,9}$",
        re.M,
    ),
    # JavaScript: import Twilio, { Client as C } from "twilio"; const { Client } = require("twilio")
    re.compile(
        r"\bimport[ \t]{1,9}(?P<names>[^\n\"';]{1,300}?)[ \t]{1,9}from[ \t]{1,9}[\"'](?P<module>[^\"'\n]{1,99})[\"']"
    ),
    re.compile(
        r"\b(?:const|let|var)[ \t]{1,9}(?P<names>[^=\n]{1,300}?)[ \t]{0,9}=[ \t]{0,9}(?:await[ \t]{1,9})?"
        r"(?:require|import)[ \t]{0,9}\([ \t]{0,9}[\"'](?P<module>[^\"'\n]{1,99})[\"'][ \t]{0,9}\)(?![ \t]{0,9}[(.])"
    ),
    # Ruby: require "twilio-ruby"
    re.compile(r"^[ \t]{0,40}require[ \t]{1,9}[\"'](?P<module>[^\"'\n]{1,99})[\"'](?P<names>)", re.M),
    # PHP: use Twilio\Rest\Client as C; C#: using Twilio.Rest; Java: import com.twilio.Twilio;
    re.compile(
        r"^[ \t]{0,40}(?:use|using|import)[ \t]{1,9}(?P<module>\\?\w[\w\\.]{1,198}?)"
        r"(?P<names>(?:[ \t]{1,9}as[ \t]{1,9}\w{1,60})?);",
        re.M,
    ),
)
_MENTION = re.compile(
    r"(?<![a-z])(?:anthropic|claude|openai|plivo|vonage|nexmo|telnyx|signalwire|messagebird|stripe|mailgun|vapi)(?![a-z])",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:(?P<first>[\w$]{1,60})[ \t]{0,9}(?:as[ \t]{1,9}|:[ \t]{0,9}))?(?P<name>[\w$]{1,60})")


def is_twilios(module: str) -> bool:
    """Tell whether a module or package is Twilio's."""
    return "twilio" in module.lower()


def is_anothers(name: str) -> bool:
    """Tell whether a module or class is of another service with an SDK of the same form."""
    parts = re.split(r"[\W_]+", name.lower().removeprefix("async"))
    return not is_twilios(name) and any(part in _OTHERS for part in (*parts, name.lower()))


@dataclass(frozen=True, slots=True)
class Imports:
    """The modules that are imported, from which of them each local name is, and whether another service is named."""

    modules: dict[str, None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    names_another: bool = False

    @property
    def has_twilio(self) -> bool:
        return any(map(is_twilios, self.modules))

    @property
    def has_another(self) -> bool:
        return self.names_another or any(map(is_anothers, self.modules))

    @property
    def only_another(self) -> bool:
        return self.has_another and not self.has_twilio

    def is_twilios_name(self, name: str) -> bool:
        """Tell whether a name says that it is Twilio's, by itself or by where it is imported from."""
        return is_twilios(name) or is_twilios(self.names.get(name, ""))

    def makes_client(self, name: str) -> bool:
        """Tell whether calling `name` makes a client of Twilio, by its name and by where it is imported from."""
        if module := self.names.get(name, ""):
            return is_twilios(module)
        return name in ("Client", "TwilioClient", "TwilioRestClient", "Twilio")


def imports_of(source: SourceCode) -> Imports:
    """Return what `source` imports, in any of the languages."""
    found = Imports(names_another=_MENTION.search(source.code) is not None)
    for module, names in _imports(source):
        found.modules[module] = None
        for name in _NAME.finditer(names):
            found.names[name["name"]] = module
    return found


def _imports(source: SourceCode) -> Iterator[tuple[str, str]]:
    for form in _FORMS:
        for match in form.finditer(source.text):
            if not source.is_code(match.start("names") if match["names"] else match.start()):
                continue
            module = match["module"]
            yield module, match["names"] or re.split(r"[\\./]", module)[-1]
