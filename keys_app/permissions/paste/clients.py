"""The HTTP clients of many languages, as data: by which names a call tells its method and its address."""

import re

METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD"

VERB = re.compile(
    # post, PostAsync, post_form, postForEntity, getJSON, wp_remote_post, HttpPost, PostForm
    r"(?:wp_remote_|http_?)?(?P<method>get|post|put|patch|delete|del|head)_?(?:"
    r"async|json|form|as_?json|asjsonasync|jsonasync|string|stringasync|bytearrayasync|streamasync|fromjsonasync"
    r"|forobject|forentity|forlocation|response|print|bang|multipart|asform|rx|sync)?!?",
    re.IGNORECASE,
)
"""A call that is named for its method, with the address as its first argument."""

METHOD_NAME = re.compile(rf"(?:method_?)?(?P<method>{METHODS})", re.IGNORECASE)
"""What a method is called as a constant: `POST`, `Post`, `MethodPost`."""

METHOD_HEAD = re.compile(r"(?:.*[._])?(?:.*method|http|requests?|net\.http|verb)", re.IGNORECASE)
"""What such a constant belongs to: `HttpMethod.Post`, `http.MethodPost`, `Method::POST`."""

METHOD_KEYS = ("method", "requestmethod", "httpmethod", "http_method", "verb", "type", "customrequest")
URL_KEYS = ("url", "uri", "href", "endpoint", "requesturi", "request_url", "resource", "fullurl")
BASE_KEYS = ("base_url", "baseurl", "prefixurl", "base_uri", "baseaddress", "base", "baseuri", "url", "host", "uri")
AT_ROOT = frozenset({"base_uri", "baseaddress"})
"""Those under whose host alone a path with a leading slash goes (RFC 3986), as in Guzzle."""

RECEIVER = re.compile(
    r"requests?|sess(?:ion)?|https?|httpx|\w*client\w*|axios(?:ref)?|got|agent|superagent|needle|ky|rest\w*|api|conn(?:ection)?"
    r"|faraday|excon|typhoeus|http_?party|guzzle\w*|web\w*|twilio\w*|fetch\w*|ajax|jquery|\$|\$http|https?\w*|\w*http"
    r"|s|c|r|ua|lwp|req|reqwest|pool\w*|aio\w*|ureq|surf|treq|unirest|wretch|mech\w*|urllib3?|instance|template|bent|service"
    r"|\w*(?:requests?|session|axios|rest|curl)",
    re.IGNORECASE,
)
"""Names of what sends requests."""

NO_RECEIVER = re.compile(
    r".*(?:mock|nock|stub|fake|cache|redis|store|map|dict|config|conf|env|param|header|cookie|queue|router|server"
    r"|expect|cassette|vcr|responses|intercept|route|log|print|assert|called|spy|respx|jest|sinon|registry|echo|help"
    r"|usage|doc|example|register).*",
    re.IGNORECASE,
)
"""Names of what keeps, checks or tells something and sends nothing."""

FUNCTIONS = re.compile(
    r"fetch|\$fetch|ofetch|axios(?:ref)?|got|ky|request|needle|superagent|ajax|\$http|rp|urlopen|xmlhttp|usefetch|urlfetch",
    re.IGNORECASE,
)
"""Calls that send a request by themselves, with the address first and options after it; GET without them."""

REQUESTS = re.compile(
    r"request|new_?request(?:withcontext|_with_context)?|httprequest(?:message)?|restrequest|stream|open|send|exchange"
    r"|execute|urlrequest|fetch|setup|build_request|requestasync|uploadstring|uploadvalues|simple_request|custom"
    r"|method|invoke|requestbuilder",
    re.IGNORECASE,
)
"""Calls that take the method as an argument, before or after the address."""

CONSTRUCTED = re.compile(rf"http_?(?P<method>{METHODS})|(?P<plain>{METHODS})", re.IGNORECASE)
"""Classes named for a method: Java's `new HttpPost(url)`, Ruby's `Net::HTTP::Post.new(uri)`."""

ADDRESS_LINKS = frozenset(
    {"url", "uri", "seturi", "seturl", "withurl", "target", "requesturi", "endpoint", "newbuilder"}
)
"""Links of a builder that take the address alone."""

METHOD_LINKS = frozenset({"method", "setmethod", "httpmethod", "withmethod", "setrequestmethod"})
"""Links of a builder that take the method alone."""

BUILDERS = re.compile(r".*(?:request\(\)\.builder|request\.builder\(\)|newbuilder\(\)).*", re.IGNORECASE)
"""Builders whose request is a GET if no link says otherwise: OkHttp's and Java's own."""

SENDING = frozenset({"build", "send", "execute", "retrieve", "call", "then", "exchange", "await", "exchangetomono"})
"""Links after which a builder's request is complete, or another thing begins."""

BODY_KEYS = ("data", "body", "json", "form", "payload")
CONTEXT = re.compile(r"ctx|context|context\.(?:background|todo)\(\)|r\.context\(\)|this", re.IGNORECASE)
"""First arguments that are neither method nor address."""
