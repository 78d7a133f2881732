"""Takes a house, leaves the product's meter beside its X's own bill, day by day and resource by resource."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

import httpx
import psycopg

from citisocial.servers import House

from .people import Stumble

MICROS = Decimal(1_000_000)  # in a dollar
METER: LiteralString = """
SELECT to_char(day, 'YYYY-MM-DD'), resource, sum(units)::bigint, sum(micros)::bigint FROM conversations_usage
WHERE network = 'x' GROUP BY day, resource
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One resource of one UTC day: (units, millionths of a dollar) by the product's meter and by X's bill."""

    day: str
    resource: str
    meter: tuple[int, int]
    bill: tuple[int, int]

    @property
    def equal(self) -> bool:
        return self.meter == self.bill


def compare(house: House) -> list[Line]:
    """Both books as they are now, by day and resource."""
    meter, bill = _meter(house), _bill(house)
    nothing = (0, 0)
    return [Line(*key, meter.get(key, nothing), bill.get(key, nothing)) for key in sorted(meter.keys() | bill.keys())]


def _meter(house: House) -> dict[tuple[str, str], tuple[int, int]]:
    with psycopg.connect(house.database_url) as connection:
        return {(day, name): (units, micros) for day, name, units, micros in connection.execute(METER)}


def _bill(house: House) -> dict[tuple[str, str], tuple[int, int]]:
    try:
        said = httpx.get(f"{house.x_url}/_sandbox/bill", timeout=30).raise_for_status().json()
    except httpx.HTTPError as error:
        raise Stumble(f"the sandbox does not show its bill: {type(error).__name__}") from error
    return {(one["day"], one["resource"]): (one["units"], one["micros"]) for one in said["lines"]}


def dollars(micros: int) -> str:
    """Two digits after the point."""
    return f"{micros / MICROS:.2f}"


def summary(lines: Iterable[Line]) -> dict[str, Any]:
    """Totals in dollars, and whether every line is equal to the millionth; by_resource is (meter, bill) in dollars."""
    lines = list(lines)
    names = sorted({line.resource for line in lines})
    return {
        "meter": dollars(sum(line.meter[1] for line in lines)),
        "bill": dollars(sum(line.bill[1] for line in lines)),
        "equal": all(line.equal for line in lines),
        "by_resource": {
            name: {
                side: dollars(sum(getattr(line, side)[1] for line in lines if line.resource == name))
                for side in ("meter", "bill")
            }
            for name in names
        },
    }


def table(lines: Iterable[Line]) -> list[str]:
    """Lines for people."""
    said = [f"{'day':<12}{'resource':<18}{'meter units':>12}{'$':>12}{'bill units':>12}{'$':>12}"]
    for line in lines:
        sides = "".join(f"{units:>12}{dollars(micros):>12}" for units, micros in (line.meter, line.bill))
        said.append(f"{line.day:<12}{line.resource:<18}{sides}{'' if line.equal else '  DIFFERENT'}")
    return said
