"""A subscription's offers, quotas and prices on loopback, in the shapes of Azure's own replies."""

from __future__ import annotations

import time

from servers.web import Say

A100 = "Standard_NC24ads_A100_v4"
T4 = "Standard_NC4as_T4_v3"
REGIONS = ("francecentral", "swedencentral", "westeurope", "polandcentral")
PRICES = {"francecentral": 4.0, "swedencentral": 5.0, "westeurope": 3.0, "polandcentral": 2.0}
COMPUTE = "/subscriptions/sub/providers/Microsoft.Compute"
TOKEN = "token-that-nobody-may-see"  # noqa: S105 - of nobody


class Azure:
    """What Azure says: offers of each region, quotas, prices; to be changed by a test."""

    def __init__(self, arm, prices):
        self.arm, self.prices = arm, prices
        self.offered = {region: [A100, T4] for region in REGIONS}
        self.closed = set()
        self.left = dict.fromkeys(REGIONS, 48)
        self.listed = {A100: dict(PRICES), T4: dict.fromkeys(REGIONS, 0.5)}
        arm.routes["/subscriptions/sub/locations"] = self.locations
        arm.routes[f"{COMPUTE}/skus"] = self.skus
        for region in REGIONS:
            arm.routes[f"{COMPUTE}/locations/{region}/usages"] = self.usages
        prices.routes["/api/retail/prices"] = self.price_list
        prices.routes["/msi/token"] = self.token

    def token(self, ask):
        expires = str(int(time.monotonic()) + 10**9 * 3)
        return {"access_token": TOKEN, "expires_on": expires, "token_type": "Bearer"}

    def locations(self, ask):
        if ask.headers.get("authorization") != f"Bearer {TOKEN}":
            return Say(401, {"error": {"code": "AuthenticationFailed", "message": "No token."}})
        about = {"regionType": "Physical", "regionCategory": "Recommended"}
        return {"value": [{"name": name, "metadata": about} for name in self.offered]}

    def skus(self, ask):
        region = ask.query["$filter"].split("'")[1]
        first = "$skiptoken" not in ask.query
        names = self.offered[region][:1] if first else self.offered[region][1:]
        link = f"{self.arm.url}{COMPUTE}/skus?api-version=2021-07-01&$skiptoken=2&$filter="
        more = {"nextLink": f"{link}location%20eq%20%27{region}%27"} if first else {}
        return {"value": [self.sku(name, region) for name in names]} | more

    def sku(self, name, region):
        closed = {"type": "Location", "values": [region], "reasonCode": "QuotaId"}
        values = {"vCPUs": "24" if name == A100 else "4", "LowPriorityCapable": "True"}
        return {
            "resourceType": "virtualMachines",
            "name": name,
            "family": f"{name}Family",
            "capabilities": [{"name": key, "value": value} for key, value in values.items()],
            "restrictions": [closed] if region in self.closed else [],
        }

    def usages(self, ask):
        left = self.left[ask.path.split("/")[-2]]
        names = (f"{A100}Family", f"{T4}Family", "cores", "lowPriorityCores")
        return {
            "value": [{"limit": left + 8, "currentValue": 8, "name": {"value": n}} for n in names]
        }

    def price_list(self, ask):
        size = ask.query["$filter"].split("'")[-2]
        rows = [
            {
                "armSkuName": size,
                "armRegionName": region,
                "currencyCode": ask.query["currencyCode"].strip("'"),
                "retailPrice": price * share,
                "unitOfMeasure": "1 Hour",
                "effectiveStartDate": "2024-01-01T00:00:00Z",
                "productName": "Virtual Machines Series",
                "skuName": f"x{kind}",
            }
            for region, price in self.listed.get(size, {}).items()
            for kind, share in (("", 1.0), (" Spot", 0.25))
        ]
        return {"Items": rows, "NextPageLink": None}
