"""Azure Carbon Optimization and Azure Monitor over TLS, as small as an operator's test needs."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

SUBSCRIPTION = "AAAAAAAA-0000-0000-0000-00000000000A"
ME = SUBSCRIPTION.lower()
PATH = f"/subscriptions/{ME}/resourceGroups"
LATEST = {"latestMonthEmissions": 0.0, "previousMonthEmissions": 0.0}


@dataclass
class Microsoft:
    """What it reports: months, and the kilograms of each resource, of all scopes and of Scope 3.

    A resource is ``group/name@location``. A page has two items.
    """

    months: list[str]
    kilograms: dict[str, tuple[float, float]]
    decision: str = "Allowed"
    throttled: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path.endswith("/queryCarbonEmissionDataAvailableDateRange"):
            return 200, {
                "startDate": f"{self.months[0]}-01",
                "endDate": f"{self.months[-1]}-01",
            }
        if not path.endswith("/carbonEmissionReports"):
            return 404, {"error": {"code": "InvalidResourceType", "message": path}}
        if self.throttled and body["reportType"] == "ItemDetailsReport":
            return 400, {"error": {"code": "TooMuch", "message": "not now"}}
        self.asked.append(body)
        found = self.summary(body) if body["reportType"] == "MonthlySummaryReport" else None
        reply = {"value": found} if found is not None else self.page(body)
        decided = {"subscriptionId": body["subscriptionList"][0], "decision": self.decision}
        return 200, reply | {"subscriptionAccessDecisionList": [decided]}

    def metric(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer with the joules of one run alone."""
        if query.get("$filter") != "runId eq 'run-1'" or query["aggregation"] != "Total":
            return 400, {"error": {"code": "BadRequest", "message": f"{query}"}}
        begin = query["timespan"].split("/")[0]
        data = [{"timeStamp": begin, "total": 42.5}]
        name = {"value": query["metricnames"], "localizedValue": ""}
        value = {"name": name, "unit": "Count", "timeseries": [{"data": data}]}
        return 200, {"timespan": query["timespan"], "value": [value]}

    def summary(self, body):
        kilograms = sum(self.of(body, name) for name in self.kilograms)
        kind = {"dataType": "MonthlySummaryData", "carbonIntensity": 1.0}
        first, last = body["dateRange"]["start"], body["dateRange"]["end"]
        dates = [f"{month}-01" for month in self.months if first <= f"{month}-01" <= last]
        return [LATEST | kind | {"date": d, "latestMonthEmissions": kilograms} for d in dates]

    def page(self, body):
        begin = int(body.get("skipToken", "0"))
        items = sorted(self.items(body).items())
        more = {"skipToken": str(begin + 2)} if len(items) > begin + 2 else {}
        rows = [fields | self.named(body, name) for name, fields in items[begin : begin + 2]]
        return {"value": rows} | more

    def items(self, body):
        sums: dict[str, dict[str, float]] = {}
        for name in self.kilograms:
            group, rest = name.split("/")
            place = rest.split("@")[1]
            key = {"Resource": name, "ResourceGroup": group, "Location": place}
            one = sums.setdefault(key[body["categoryType"]], dict(LATEST))
            one["latestMonthEmissions"] += self.of(body, name)
        return sums

    def of(self, body, name):
        return self.kilograms[name][body["carbonScopeList"] == ["Scope3"]]

    def named(self, body, name):
        kind = body["categoryType"]
        named = {"itemName": name, "categoryType": kind, "subscriptionId": ME}
        if kind == "ResourceGroup":
            more = {"resourceGroupUrl": f"{PATH}/{name}"}
            return named | more | {"dataType": "ResourceGroupItemDetailsData"}
        if kind == "Location":
            return {"itemName": name, "categoryType": kind, "dataType": "ItemDetailsData"}
        group, rest = name.split("/")
        own, place = rest.split("@")
        path = f"{PATH}/{group}/providers/Microsoft.Compute/virtualMachines/{own}"
        more = {"resourceGroup": group, "resourceId": path, "location": place}
        return named | more | {"itemName": own, "dataType": "ResourceItemDetailsData"}


@contextmanager
def serving(microsoft, authority):
    """Serve Microsoft's login and Resource Manager on one port of loopback, over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            if path.endswith("/providers/Microsoft.Insights/metrics"):
                return self.say(*microsoft.metric(dict(parse_qsl(query))))
            base = f"https://localhost:{self.server.server_port}/tenant/oauth2/v2.0"
            ends = {name: f"{base}/{name}" for name in ("authorize", "token", "devicecode")}
            return self.say(
                200,
                {
                    "issuer": base,
                    "authorization_endpoint": ends["authorize"],
                    "token_endpoint": ends["token"],
                    "device_authorization_endpoint": ends["devicecode"],
                },
            )

        def do_POST(self):
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/tenant/oauth2/v2.0/token":
                good = b"client_secret=canary" in content
                token = {"token_type": "Bearer", "expires_in": 3600, "access_token": "token"}
                wrong = {"error": "invalid_client", "error_description": "AADSTS7000215"}
                return self.say(200, token) if good else self.say(401, wrong)
            path, _, query = self.path.partition("?")
            if self.headers.get("Authorization") != "Bearer token":
                return self.say(401, {"error": {"code": "InvalidAuthenticationToken"}})
            if query != "api-version=2025-04-01":
                return self.say(400, {"error": {"code": "InvalidApiVersionParameter"}})
            return self.say(*microsoft.answer(path, json.loads(content) if content else None))

        def say(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
