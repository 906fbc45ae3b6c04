"""What a subscription may use: replies read, pages followed, reasons given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.azure import offers
from airflow_carbon.azure.arm import Reply
from airflow_carbon.azure.memory import Memory
from airflow_carbon.azure.offers import Location, Offers, Quota, Size, usable, whole
from airflow_carbon.azure.regions import permitted, region, regions, resident
from airflow_carbon.core.errors import (
    InvalidOptionError,
    MalformedReplyError,
    UnknownRegionError,
    UnknownSizeError,
)

A100 = "Standard_NC24ads_A100_v4"
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)


def reply(body):
    return Reply(status=200, headers={}, body=body)


def location(name, kind="Physical", **about):
    metadata = {"regionType": kind, "geography": "Sweden", "regionCategory": "Recommended"} | about
    return {"name": name, "displayName": name.title(), "type": "Region", "metadata": metadata}


def sku(name=A100, restrictions=(), **capabilities):
    values = {"vCPUs": "24", "GPUs": "1", "LowPriorityCapable": "True"} | capabilities
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": "StandardNCADSA100v4Family",
        "locations": ["swedencentral"],
        "capabilities": [{"name": key, "value": value} for key, value in values.items()],
        "restrictions": list(restrictions),
    }


def restriction(kind, where="SwedenCentral", zones=()):
    info = {"locations": [where], "zones": list(zones)}
    code = "NotAvailableForSubscription"
    return {"type": kind, "values": [where], "restrictionInfo": info, "reasonCode": code}


def sizes_read(*rows, link=None):
    ask = offers.sizes("s", "swedencentral")
    return ask.read(reply({"value": list(rows), "nextLink": link}))


def test_physical_regions_are_read_and_logical_ones_are_not():
    body = {"value": [location("swedencentral"), location("europe", kind="Logical")]}

    found = offers.locations("s").read(reply(body))

    assert found == {
        "swedencentral": Location(
            name="swedencentral",
            display_name="Swedencentral",
            geography="Sweden",
            category="Recommended",
        )
    }


def test_a_size_is_read_and_disks_are_not():
    disk = {"resourceType": "disks", "name": "Premium_LRS"}

    page = sizes_read(disk, sku(), sku("Standard_D2_v2", GPUs="0", LowPriorityCapable="False"))

    family = "StandardNCADSA100v4Family"
    assert page.items == (
        Size(name=A100, family=family, vcpus=24, gpus=1, spot=True),
        Size(name="Standard_D2_v2", family=family, vcpus=24, gpus=0, spot=False),
    )
    assert page.following is None


@pytest.mark.parametrize(
    ("restrictions", "closed"),
    [
        ([], None),
        ([restriction("Zone", zones="123")], None),
        ([restriction("Location", where="eastus")], None),
        ([restriction("Location")], "NotAvailableForSubscription"),
        ([restriction("Zone"), restriction("Location")], "NotAvailableForSubscription"),
    ],
)
def test_a_restricted_place_shuts_a_size_out_and_a_restricted_zone_does_not(restrictions, closed):
    (size,) = sizes_read(sku(restrictions=restrictions)).items

    assert size.closed == closed


def test_a_quota_is_read():
    name = {"value": "standardNCSv3Family", "localizedValue": "Standard NCSv3 Family vCPUs"}
    body = {"value": [{"unit": "Count", "currentValue": 6, "limit": 24, "name": name}]}

    page = offers.quota("s", "swedencentral").read(reply(body))

    assert page.items == (Quota(family="standardNCSv3Family", limit=24, used=6),)
    assert page.items[0].left == 18


def test_a_link_is_followed_to_the_same_azure_only():
    link = "https://evil.example/subscriptions/s/x?api-version=2021-07-01&%24skiptoken=a%2Bb%3D"

    following = sizes_read(link=link).following

    assert (
        following.request().url == "/subscriptions/s/x?api-version=2021-07-01&$skiptoken=a%2Bb%3D"
    )
    assert following.read(reply({"value": [sku()]})).items[0].name == A100


def test_all_pages_are_read_and_a_list_without_end_is_given_up():
    def page(number, last):
        link = f"https://a/s?api-version=1&n={number + 1}" if number != last else None
        return sizes_read(sku(f"S{number}"), link=link)

    def sender(last):
        return lambda ask: page(int(ask.params.get("n", 0)), last)

    first = offers.sizes("s", "swedencentral")
    assert [one.name for one in whole(sender(3), first)] == ["S0", "S1", "S2", "S3"]
    with pytest.raises(MalformedReplyError, match="more than 100 pages"):
        whole(sender(-1), first)


PLACES = [region(name) for name in ("swedencentral", "francecentral", "eastus")]
counts = st.integers(0, 60)


@st.composite
def subscriptions(draw):
    """Offers of a subscription, and for each region what a person would look at, in order."""
    sizes, quotas = {}, {}
    for one in PLACES:
        if draw(st.booleans()):
            closed = draw(st.sampled_from([None, None, "QuotaId"]))
            size = Size(
                name=A100, family="Fam", vcpus=24, gpus=1, spot=draw(st.booleans()), closed=closed
            )
            other = Size(name="Standard_B1s", family="B", vcpus=1, gpus=0, spot=True)
            here = [size, other] if draw(st.booleans()) else [other]
            sizes[one.name] = {item.name.lower(): item for item in here}
        families = [name for name in ("Fam", "cores", "lowPriorityCores") if draw(st.booleans())]
        quotas[one.name] = {
            name.lower(): Quota(family=name, limit=draw(counts), used=draw(counts))
            for name in families
        }
    there = draw(st.none() | st.sets(st.sampled_from([one.name for one in PLACES])))
    locations = None
    if there is not None:
        blank = {"display_name": "", "geography": "", "category": ""}
        locations = {name: Location(name=name, **blank) for name in there}
    return Offers(locations=locations, sizes=sizes, quotas=quotas)


@given(subscriptions(), st.booleans())
def test_a_region_is_left_out_exactly_where_something_known_speaks_against_it(found, spot):
    left, left_out = usable(PLACES, A100, found, spot=spot, exists=True)

    assert [*left, *left_out] == sorted(
        PLACES, key=lambda one: (one in left_out, PLACES.index(one))
    )
    for one in PLACES:
        against = []
        if found.locations is not None and one.name not in found.locations:
            against.append("does not have this region")
        if one.name in found.sizes:
            size = found.sizes[one.name].get(A100.lower())
            against += ["not offered"] if size is None else []
            if size:
                against += ["QuotaId"] if size.closed else []
                against += ["spot machine"] if spot and not size.spot else []
                for family in ["lowprioritycores"] if spot else ["fam", "cores"]:
                    known = found.quotas[one.name].get(family)
                    if known and known.limit - known.used < 24:
                        against.append(f"{max(0, known.limit - known.used)} of {known.limit} are")
        assert (one in left_out) == bool(against)
        if against:
            assert against[0] in left_out[one]


def test_a_reason_is_a_sentence_with_its_numbers():
    size = Size(name=A100, family="NCADSA100v4", vcpus=24, gpus=1, spot=True)
    quota = Quota(family="NCADSA100v4", limit=40, used=24)
    found = Offers(
        sizes={"eastus": {A100.lower(): size}}, quotas={"eastus": {"ncadsa100v4": quota}}
    )

    _, left_out = usable([region("eastus")], A100.upper(), found)

    assert list(left_out.values()) == [
        f"quota: {A100} needs 24 vCPUs, 16 of 40 are left (NCADSA100v4)"
    ]


def test_a_size_that_nobody_offers_is_an_error_that_says_which_come_close():
    size = Size(name=A100, family="", vcpus=24, gpus=1, spot=True)
    found = Offers(sizes={"eastus": {A100.lower(): size}})

    with pytest.raises(UnknownSizeError, match=f"did you mean {A100}"):
        usable([region("eastus")], "Standard_NC24_A100", found)


def test_nothing_known_leaves_every_region():
    assert usable(PLACES, A100, Offers()) == (PLACES, {})


EUROPEAN_UNION = set("AT BE DE DK ES FI FR GR IE IT NL PL SE".split())  # noqa: SIM905
NAMES = sorted(regions())
words = st.sampled_from([*NAMES, "Europe", "Sweden", "SE", "EU", "United States", "all"])


@given(st.lists(words, min_size=1, max_size=3), words, st.lists(words, max_size=3))
def test_a_denied_region_is_never_left_and_every_other_has_its_reason(allowed, residency, deny):
    left, left_out = permitted(allowed, residency, deny)

    def means(word, one):
        groups = {"EU": one.country in EUROPEAN_UNION}
        place = {one.name, one.geography, one.geography_group, one.country, "all"}
        return groups.get(word, word in place)

    everywhere, _ = permitted(allowed, "all")
    assert {*left, *left_out} == set(everywhere)
    for one in everywhere:
        denied = any(means(word, one) for word in deny)
        assert (one in left) == (means(residency, one) and not denied)
        if denied:
            assert left_out[one].startswith("deny= names ")


def test_a_restricted_region_is_denied_with_its_country():
    named = next(one for one in regions().values() if one.restricted)

    assert permitted([named.name], "all", [named.country])[0] == []


def test_what_is_denied_has_to_be_a_place():
    with pytest.raises(UnknownRegionError, match="did you mean swedencentral"):
        permitted("all", "all", "swedncentral")


def test_denying_all_that_is_allowed_is_said():
    with pytest.raises(InvalidOptionError, match="deny fewer"):
        resident("swedencentral", "EU", "Sweden")


@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from("ab")), max_size=20))
def test_an_answer_is_asked_again_when_its_time_is_over(asks):
    memory, asked, at = Memory(timedelta(minutes=60)), {}, 0
    for minutes, key in asks:
        at += minutes
        now = NOW + timedelta(minutes=at)
        if key not in asked or at - asked[key] >= 60:
            asked[key] = at
        assert memory.get(key, now, lambda at=at: at) == asked[key]


def test_a_failure_is_not_remembered():
    memory = Memory(timedelta(hours=1))

    with pytest.raises(ZeroDivisionError):
        memory.get("a", NOW, lambda: 1 // 0)
    assert memory.get("a", NOW, lambda: 7) == 7
    memory.clear()
    assert memory.get("a", NOW, lambda: 8) == 8
