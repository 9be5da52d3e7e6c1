"""Invented sentences for the news of a generated session.

A title and, indented, its summary with places in braces; `stories` fills them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """A title and a summary; `sign` is their sentiment: 1 good, -1 bad, 0 neutral."""

    sign: int
    title: str
    summary: str


_GOOD = """
{name} beats {quarter} profit estimates, lifts full-year outlook
    Adjusted earnings came to ${eps} a share at {name}, ahead of forecasts; demand stayed strong.
{name} raises {quarter} revenue guidance by {pct}%
    {name} now expects sales of about ${amount} billion after a strong start to the quarter.
{house} upgrades {name} to buy, sees {pct}% upside
    {house} lifted its price target on {name} to ${target}, citing improving margins.
{name} shares jump after record {quarter} sales
    Revenue at {name} rose {pct}% to a record ${amount} billion.
{name} wins ${amount} billion contract for {product}
    {name} ({exchange}: {ticker}) said the award strengthens its order book for years.
{name} surges on plan to buy back ${amount} billion of stock
    The board of {name} approved the repurchase and raised the dividend by {pct}%.
{name} to acquire {startup} in ${amount} billion deal, stock gains
    {name} expects the purchase to add to profit in its first full year.
${ticker} rallies as orders for {product} top forecasts
    Bookings grew {pct}% at {name}, well above what analysts expected.
{name} gets approval to expand {product}
    The decision opens a market worth ${amount} billion, {name} said.
Court throws out {pct}-million-dollar claim against {name}
    The ruling is a win for {name}, whose shares rose in early dealings.
{name} ({exchange}: {ticker}) boosts dividend {pct}%, outlook strong
    Management of {name} pointed to robust cash flow and healthy demand.
{house} raises {name} price target to ${target} on strong demand
    Checks with suppliers point to growth of {pct}% in {quarter}, {house} wrote.
"""

_BAD = """
{name} misses {quarter} profit estimates, cuts full-year outlook
    Adjusted earnings came to ${eps} a share at {name}, below forecasts, as demand weakened.
{name} lowers {quarter} revenue guidance by {pct}%
    {name} now expects sales of only ${amount} billion and warned of weak orders.
{house} downgrades {name} to sell, sees {pct}% downside
    {house} cut its price target on {name} to ${target}, citing falling margins.
{name} shares drop after weak {quarter} sales
    Revenue at {name} fell {pct}% to ${amount} billion, a steeper decline than feared.
{name} loses ${amount} billion contract for {product}
    {name} ({exchange}: {ticker}) warned that the loss will hurt results this year.
{name} sued over alleged defects in {product}
    The lawsuit seeks ${amount} billion in damages from {name}.
Regulators open probe into {name} over {product}
    {name} said it is cooperating; the investigation could bring fines of ${amount} billion.
${ticker} slides as orders for {product} fall short
    Bookings shrank {pct}% at {name}, well below what analysts expected.
{name} recalls {product} after reports of failures
    The recall may cost ${amount} billion and is a setback for {name}.
{name} to cut {pct}% of jobs as losses widen
    {name} blamed weak demand and rising costs for the layoffs.
{name} ({exchange}: {ticker}) halts buyback, warns on margins
    Management of {name} expects a difficult {quarter} with lower profit.
{house} cuts {name} price target to ${target} on weak demand
    Checks with suppliers point to a decline of {pct}% in {quarter}, {house} wrote.
"""

_NEUTRAL = """
{name} to present at industry conference next week
    Executives of {name} will speak about {product} and take questions.
{name} names new head of {product}
    The appointment at {name} takes effect next month.
What to watch when {name} reports {quarter} results
    Analysts on average look for ${eps} a share on sales of ${amount} billion.
{name} schedules annual meeting, publishes agenda
    Shareholders of {name} will vote on {pct} proposals.
{name} opens office for {product} team in Denver
    About {pct} dozen employees of {name} will move there in spring.
How {name} and its rivals compare on {product}
    A look at market share, prices and plans.
{house} keeps {name} at hold with ${target} target
    {house} left its estimates for {quarter} unchanged.
{name} files routine shelf registration
    The filing lets {name} issue securities from time to time.
"""

_MACRO = """
Treasury yields edge {up_down} ahead of jobs data
    The ten-year note yields {pct} basis points {more_less} than yesterday.
Services activity {expands_shrinks} in {month}, survey shows
    The index came in at {index}, {above_below} the expected figure.
Oil {rises_falls} {small}% as traders weigh supply
    Inventories changed by {amount} million barrels last week.
Fed official says rates are in a good place
    The policy maker sees no hurry in either direction.
Mortgage applications {rise_fall} {pct}% in latest week
    Rates on 30-year loans averaged 6.{pct}%.
Dollar {rises_falls} against the euro after central bank minutes
    Strategists point to differences in rates.
Euro zone inflation {rises_falls} to {small}% in {month}
    Food and energy made the difference, the flash estimate shows.
Gold {rises_falls} as investors await inflation report
    The metal traded near ${target}0 an ounce.
Stocks mixed at midday as earnings season rolls on
    Gainers and losers were about even, and volume was average.
Factory orders {rise_fall} {small}% in {month}
    Economists had looked for little change.
Copper inventories {rise_fall} to {amount} million tons
    Analysts differ on what that means for builders.
Private payrolls {rise_fall} by {pct},000 in {month}
    The report comes two days before the official figures.
Freight rates {rise_fall} for a third week
    Carriers expect little change before spring.
Consumer confidence {rises_falls} in {month}
    The gauge moved to {index} from {index_before}.
Natural gas {rises_falls} {small}% on weather forecasts
    Storage stood {pct}% {above_below} its five-year average.
Wheat futures {rise_fall} as harvest estimates change
    Traders watch rainfall in the southern plains.
Two-year auction draws average demand
    The bid-to-cover ratio was {small}, in line with recent sales.
Warehouse rents {rise_fall} {small}% from a year ago
    Vacancies stood at {eps}% in {month}.
Trade deficit moves to ${index} billion in {month}
    Imports of machinery explain most of the change.
Business inventories {rise_fall} {small}% in {month}
    Sales ratios were little changed.
Emerging market funds see {ordinal} week of even flows
    Money in and out came to ${amount} billion each.
Central bank survey finds outlook for rates unchanged
    The median forecast is the same as in {month}.
Options traders look ahead to index rebalancing
    About ${index} billion of stock may change hands.
What the calendar holds for investors this week
    Results, auctions and {pct} speeches are due.
"""

_WORDS = {"good": (1, _GOOD), "bad": (-1, _BAD), "neutral": (0, _NEUTRAL), "macro": (0, _MACRO)}


def _read(kind: str) -> tuple[Template, ...]:
    sign, text = _WORDS[kind]
    lines = text.strip().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return tuple(Template(sign, title, summary.strip()) for title, summary in pairs)


GOOD, BAD, NEUTRAL, MACRO = (_read(kind) for kind in ("good", "bad", "neutral", "macro"))

HOUSES = ("Jefferies", "Morgan Stanley", "UBS", "Deutsche Bank", "Tidewater Research", "Oakline")
QUARTERS = ("first-quarter", "second-quarter", "third-quarter", "fourth-quarter")
MONTHS = ("December", "January")
STARTUPS = ("Quillon Labs", "Brightfen", "Northmoor Systems", "Castellum Data", "Veridale")
PRODUCTS: dict[str, tuple[str, ...]] = {
    "JPM": ("card lending", "its payments unit"),
    "BAC": ("card lending", "its brokerage"),
    "GS": ("its asset manager", "deal advice"),
    "V": ("instant payments", "its fraud service"),
    "MA": ("instant payments", "its loyalty service"),
    "UNH": ("its clinics", "Medicare plans"),
    "JNJ": ("its knee implant", "a skin treatment"),
    "PFE": ("its migraine pill", "a pneumonia vaccine"),
    "BMY": ("its blood thinner", "a lymphoma therapy"),
    "XOM": ("a Guyana field", "its carbon storage"),
    "CVX": ("a Gulf platform", "its Texas wells"),
    "WMT": ("grocery delivery", "its marketplace"),
    "HD": ("its contractor service", "garden tools"),
    "DIS": ("its cruise line", "a theme park"),
    "BA": ("its narrow-body jet", "a tanker aircraft"),
    "KO": ("its iced tea", "a sugar-free line"),
    "NKE": ("its running shoe", "online sales"),
    "TSLA": ("its pickup", "battery storage"),
    "NFLX": ("its advertising tier", "live sport"),
}
DEFAULT_PRODUCTS = ("data center chips", "its cloud service", "an AI assistant", "its new device")
