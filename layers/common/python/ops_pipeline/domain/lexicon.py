"""The words of financial news and what they do; written for this project, version 2.

Directions say which way a thing moves, metrics whether more of it is good or bad, and
judgements are good or bad by themselves. Weights are in units of one clear statement.
Hyphens are read as blanks, "n't" as "not", everything in small letters.
"""

from typing import Literal, NamedTuple

from ops_pipeline.domain.word_sets import phrase_set

Kind = Literal[
    "move", "metric", "judgement", "negator", "hedge", "scale", "turn", "concession", "plain"
]


class Form(NamedTuple):
    """What one word or phrase does.

    `value` is signed: +1 up or good, -1 down or bad; for "scale" and "hedge" the factor.
    `reach` says where a move's metric stands: "after" ("cut costs"), "either" ("sales fell",
    "lower sales"), "only" ("ends strike": nothing without one), or "expected" where it
    says nothing without a forecast to be held against ("below the consensus"); for a
    negator "bad" when it is bad news by itself.
    """

    kind: Kind
    value: float
    reach: str = ""


def _forms(words: str, form: Form) -> dict[str, Form]:
    return dict.fromkeys(sorted(phrase_set(words)), form)


_RISES = """rise, rises, rising, rose, risen, climb, climbs, climbing, climbed, gain, gains,
gaining, gained, grow, grows, growing, grew, grown, advance, advances, advanced, advancing, up,
upward, rebound, rebounds, rebounded, rebounding, recover, recovers, recovered, recovering,
recovery, higher, pick up, picks up, picked up, edge up, edges up, edged up, tick up, ticks up,
expansion, increase, increases, increased, increasing, uptick, upturn, rally back, ▲, ↑, turned
higher, accelerate, accelerates, accelerated, accelerating, acceleration, climbing to,
appreciate, appreciated, heavier, build, builds, elevated, highest"""
_LEAPS = """surge, surges, surged, surging, soar, soars, soared, soaring, jump, jumps, jumped,
jumping, rocket, rockets, rocketed, skyrocket, skyrockets, skyrocketed, spike, spikes, spiked,
double, doubles, doubled, doubling, triple, triples, tripled, tripling, leap, leaps, leaped,
leapt, shoot up, shot up, balloon, balloons, ballooned, boom, booms, boomed, booming"""
_RAISES = """raise, raises, raised, raising, boost, boosts, boosted, boosting, lift, lifts,
lifted, lifting, hike, hikes, hiked, hiking, improve, improves, improved, improving, improvement,
widen, widens, widened, widening, wider, expand, expands, expanded, expanding, enhance, enhances,
enhanced, strengthen, strengthens, strengthened, strengthening, bump up, bumps up, ramp up, ramps
up, ramped up, add to, deepen, deepens, deepened, add, adds, added, adding, rebuild, rebuilds,
restore, restores, restored"""
_FALLS = """dry up, dries up, drying up, dried up, fall, falls, falling, fell, fallen, drop,
drops, dropping, dropped, decline, declines, declining, declined, decrease, decreases,
decreasing, decreased, down, downward, slip, slips, slipped, slipping, ease, eases, eased,
easing, dip, dips, dipped, dipping, lower, shrink, shrinks, shrank, shrunk, shrinking,
contracted, contraction, retreat, retreats, retreated, slide, slides, slid, sliding, sink, sinks,
sank, sunk, sinking, edge down, edges down, edged down, weaken, weakens, weakened, weakening,
slow, slows, slowed, slowing, slower, slowdown, downturn, pull back, pulls back, pulled back,
pullback, lag, lags, lagged, lagging, turned lower, softer, narrow, narrows, narrowed, narrowing,
narrower, deteriorate, deteriorates, deteriorated, deteriorating, deterioration, ▼, ↓, diminish,
diminished, dwindle, dwindled, dwindling, erode, erodes, eroded, fade, fades, faded, cool, cools,
cooled, cooling, shed, sheds, reduction, moderated, dips below, lowest, trails, trailed, trailing"""
_PLUNGES = """plunge, plunges, plunged, plunging, plummet, plummets, plummeted, plummeting,
tumble, tumbles, tumbled, tumbling, crash, crashes, crashed, crashing, collapse, collapses,
collapsed, collapsing, nosedive, nosedives, slump, slumps, slumped, slumping, tank, tanks,
tanked, tanking, crater, craters, cratered, halve, halves, halved, sell off, selloff, sells off,
free fall, rout, dive, dives, dived, dove, evaporate, evaporated"""
_CUTS = """cut, cuts, cutting, reduce, reduces, reduced, reducing, slash, slashes, slashed,
slashing, trim, trims, trimmed, trimming, lowers, lowered, lowering, curb, curbs, curbed, pare,
pares, pared, scale back, scales back, scaled back, axe, axes, axed, minimize, minimise,
minimized, decreased its, squeeze, squeezes, squeezed, dent, dents, dented, depress, depressed,
shave, shaves, weigh on, weighs on, weighed on, hurt, hurts, dismiss, dismisses, dismissed, drops
case, drop case, throws out, settle, settles, settled, avert, averts, averted, overturn,
overturns, overturned, resolve, resolves, defuse, quell, quells, soothe, calm, calms"""

_MORE_IS_GOOD = """return on capital, return on capital employed, roce, position, foothold,
utilisation of, capacity utilisation, capacity utilization, passenger numbers, equity ratio,
cash, profit, growth, profits, profitability, earnings, income, sales, sale volumes, revenue,
revenues, turnover, margin, margins, ebit, ebitda, eps, demand, dividend, dividends, payout,
guidance, outlook, forecast, forecasts, estimate, estimates, expectations, orders, order intake,
order book, orderbook, backlog, bookings, shares, share, stock, stocks, share price, stock price,
shareholder value, price target, target price, target, pt, rating, ratings, cash flow, cash
flows, market share, deliveries, shipments, output, production, volumes, volume, traffic, users,
subscribers, customers, passengers, exports, net interest income, assets, equity, return on
equity, results, result, performance, growth rate, productivity, efficiency, confidence,
sentiment, valuation, market cap, capacity, hiring, jobs added, employment, gdp, economy,
futures, index, nasdaq, dow, s&p, s&p 500, ftse, dax, nikkei, markets, equities, bonds,
liquidity, yield on, receipts, buyback, buybacks, repurchase, net asset value, nav, fees,
premiums, loans, deposits, bids, consumer spending, retail sales, housing starts, same store
sales, like for like sales, comparable sales, synergies, free cash flow, top line, bottom line,
operating profit, operating result, pretax profit, net profit, net income, net sales, gross
margin, operating margin, adoption, bookings value, credit rating, inflows, prices, price,
optimism, jobs, staff, workforce, headcount, workers, consensus"""
_MORE_IS_BAD = """bad debt, bad debt charge, energy prices, fuel prices, raw material prices,
input prices, dispute, suit, claim, loss, losses, net loss, operating loss, pretax loss, cost,
costs, expense, expenses, debt, debts, unemployment, jobless claims, inflation, defaults, default
rate, delinquencies, layoffs, deficit, shortfall, complaints, churn, delay, delays, impairment,
impairments, writedown, writedowns, write down, write downs, charge, charges, provisions, risk,
risks, volatility, tariff, tariffs, taxes, tax rate, outflows, redemptions, vacancies, vacancy,
short interest, bad loans, loan losses, loan loss provisions, credit losses, claims, injuries,
emissions, interest rate, interest rates, rates, borrowing costs, leverage, inventories,
inventory glut, recall costs, fines, penalties, headwinds, uncertainty, concerns, fears, worries,
tensions, pressure, pressures, shortage, shortages, losing streak, accidents, burn, cash burn,
insolvencies, bankruptcies, stake sale, dilution, warnings, competition, lawsuit, lawsuits, class
action, probe, probes, investigation, investigations, penalty, violation, violations, bankruptcy,
layoff, job cuts, redundancies, recall, recalls, outage, outages, threat, fear, problem,
problems, allegations, breach, sanction, strike, ban, fine, unrest, disputes, lawsuits against,
bad debts, strikes, bans, jitters over, breaches, unemployment rate, downside, selling pressure,
loan loss"""

_GOOD = """back in profit, back in the black, back to black, to the black, turned to a profit,
turned to profit, turns to profit, turned positive, turns first, turns a profit, first profit,
first annual profit, favourably, favorably, developed well, remained good, remained high, was
good, bounce, bounces, bounced, bouncing, squeezing shorts, shorts squeezed, flipping long, going
long, averts strike, averting strike, cheaper, beat, beats, beating, topped, tops, top estimates,
top forecasts, top expectations, exceed, exceeds, exceeded, exceeding, surpass, surpasses,
surpassed, outperform, outperforms, outperformed, outperforming, outpace, outpaces, outpaced,
upgrade, upgrades, upgraded, overweight, strong buy, buy rating, to buy, at buy, conviction buy,
bullish, record high, record highs, all time high, all time highs, 52 week high, new high, new
highs, multi year high, record profit, record sales, record revenue, record earnings, record
quarter, record orders, better than expected, better than forecast, above estimates, above
expectations, above forecasts, above consensus, above views, ahead of expectations, ahead of
estimates, ahead of forecasts, ahead of consensus, stronger than expected, higher than expected,
faster than expected, strong, stronger, strongest, robust, solid, healthy, upbeat, impressive,
stellar, blowout, blockbuster, win, wins, won, winning, awarded, secures, secured, secure, lands,
landed, clinches, clinched, bags, approval, approves, approved, wins approval, clears, cleared,
clearance, breakthrough, success, successful, successfully, positive, favorable, favourable,
attractive, optimistic, rally, rallies, rallied, rallying, tailwind, tailwinds, profitable,
swings to profit, swing to profit, swung to profit, swung to a profit, swings to a profit, return
to profit, returns to profit, returned to profit, back to profit, return to profitability, turns
profitable, turned profitable, turnaround, pays off, paid off, thrive, thrives, thriving,
flourish, boon, milestone, best ever, best quarter, best day, breakout, breaks out,
oversubscribed, resolved, acquitted, exonerated, undervalued, cheap, bargain, buy the dip, long,
calls, going higher, moon, to the moon, uptrend, bull run, golden cross, accretive, lucrative,
special dividend, share buyback, debt free, reinstates dividend, resumes dividend, leading,
leader, leadership, good, great, excellent, gainer, gainers, outperformance, top pick, strength,
resilient, resilience, excited, confident, contract worth, order worth, wins contract, wins
order, wins deal, won a contract, won an order, received an order, received orders, receives
order, supply deal, new order, new contract, lucrative contract, cost savings, savings, reaffirms
dividend, new product launch, breaking out, undervaluation, benefit, benefits, benefited,
benefiting, progress, award, awards, bullishness, ends probe, ends strike, ends dispute, ends
investigation, drops lawsuit, lawsuit dismissed, bought the dip, buying the dip, short squeeze,
short covering, shorts covering, breaks above, broke above, broken above, in the black, in the
green, green, gains ground, gained ground, signs contract, signed a contract, signs deal, signs
supply deal, boost for, boost to, crushes, crushed, smashes, smashed, trounces, backs,
stabilises, stabilizes, stabilised, stabilized, undisputed, well received, upside, upbeat about,
looks great, pays down, in demand, sold out, exceeding expectations, gets approval, gets nod,
green light, greenlights, green lights, printing, holding strong, has legs"""
_BAD = """into the red, into loss, into a loss, deeper into loss, deeper into the red, turned to
a loss, turned to loss, turns to loss, turned negative, squeezed by, eats into, ate into, eaten
into, burns through, burned through, halting, grounds fleet, grounded, grounding, redundant, made
redundant, ordered to pay, orders to pay, must pay, stuck with, unsold, flood of claims, walk
out, walks out, walked out, discontinue, discontinues, discontinuing, no dividend, unfavourably,
unfavorably, remained low, was poor, cancelled an order worth, cancels order, cancelled order,
loses order, rolling over, rolls over, rolled over, getting out, failed breakout, flop, flops,
flopped, looks heavy, falling knife, stopped out, burdened, burdens, overruns, write downs, puts
on, dividend be paid, debt to junk, sinks into the red, slides deeper into loss, miss, misses,
missed, missing estimates, fall short, falls short, fell short, underperform, underperforms,
underperformed, underperforming, downgrade, downgrades, downgraded, underweight, sell rating, to
sell, at sell, strong sell, bearish, profit warning, profits warning, warn, warns, warned,
warning, worse than expected, worse than feared, worse than forecast, weaker than expected, lower
than expected, slower than expected, below estimates, below expectations, below forecasts, below
consensus, below views, short of estimates, short of expectations, under estimates, under
expectations, shy of estimates, record low, record lows, all time low, 52 week low, new low, new
lows, multi year low, record loss, weak, weaker, weakest, weakness, sluggish, soft, disappoint,
disappoints, disappointed, disappointing, disappointment, dismal, poor, grim, gloomy, bleak,
worst, worst day, sue, sues, sued, suing, probed, investigate, investigates, investigated,
investigating, subpoena, subpoenas, fraud, fraudulent, scandal, bribery, corruption, misconduct,
antitrust, fined, guilty, indicted, charged with, bankrupt, insolvency, insolvent, chapter 11,
going concern, default on, defaulted, delisted, delisting, delist, lay off, lays off, laid off,
jobs cut, cut jobs, cuts jobs, cutting jobs, slashes jobs, furlough, furloughs, walkout,
recalled, halt, halts, halted, suspend, suspends, suspended, suspension, shut down, shuts down,
shutdown, closure, closures, cancel, cancels, cancelled, canceled, terminate, terminates,
terminated, scrap, scraps, scrapped, reject, rejects, rejected, rejection, block, blocks,
blocked, bans, banned, sanctions, hack, hacked, breached, cyberattack, explosion, fire, crisis,
recession, slumping, negative, unfavorable, pessimistic, trouble, troubles, troubled, struggle,
struggles, struggled, struggling, suffer, suffers, suffered, suffering, threatens, threat to,
headwind, headwinds, sours, swings to loss, swing to loss, swung to loss, swings to a loss, swung
to a loss, swung to a net loss, negative territory, overvalued, expensive, bubble, short, shorts,
shorting, puts, dump, dumps, dumped, dumping, going lower, bagholder, downtrend, death cross,
bear market, bears, breakdown, dilutive, dilution, suspends dividend, scraps dividend, cuts
dividend, cut its dividend, omits dividend, resign, resigns, resigned, resignation, ousted, steps
down abruptly, short seller, accuse, accuses, accused, alleged, alleges, loser, losers, junk,
downbeat, turmoil, turbulence, fallout, setback, setbacks, failure, fail, fails, failed, failing,
jeopardy, doubt, doubts, bad, terrible, awful, overstated, restate, restates, restated,
restatement, writeoff, write off, writes off, underperformance, loses, lose, lost, losing, lost
ground, panic, plagued, worry, worried, concerned, injured, deadly, crackdown, glut, stalls,
stalled, stagnant, delayed, delays launch, laying off, hit by, hurt by, set aside more, sets
aside, set aside, no longer expects, no longer sees, not as expected, breaks below, broke below,
breaks support, under pressure, blow, blow to, in the red, red, drag, drags, dragged, hammered,
pummeled, battered, rattled, spooked, jitters, woes, worsen, worsens, worsened, worsening, tough,
difficult, challenging, burden, cautious, exodus, withdraws, withdrew, pulls out, pulled out,
quits, abandons, abandoned, ditches, dispute, arrested, raided, convicted, pleads guilty, leak,
spill, accident, killed, dies, oversupply, lay offs, ugly, loses ground, force majeure,
bearishness, dead money, overhang, bleed, bleeding, nosediving, derailed, missing, slammed,
hacked off, wipes out, wiped out, loss making, lossmaking, unprofitable"""

_ABOVE = "above, ahead of, beyond, over, overshoot, overshoots, overshot"
_BELOW = "below, under, short of, shy of, beneath, undershoot, undershoots, undershot"
# What ends says nothing until it is known what: a strike or a boom.
_ENDS = "ends, ended, ending, toss, tosses, tossed, averting, settling, dismissing"
# Sizes are no directions but beside a metric: "smaller losses", never "smaller stores".
_SIZES = "smaller, fewer, less, thinner, shallower"
_LARGER = "greater, larger, bigger, better"

_NEGATORS = """not, no, never, without, neither, nor, unable to, denies, deny, denied, lack of,
lacks, cannot, avoid, avoids, avoided, rule out, rules out, ruled out, unlikely to, far from,
hardly, less likely"""
_FAILURES = "fail to, fails to, failed to, failing to"
_HEDGES = """may, might, could, would, possibly, reportedly, rumored, rumoured, if, considering,
considers, mulls, weighs, plans to, seeks, seeking, whether, potential, potentially, hopes to"""
_TURNS = "but, however, while, whereas, although, though, yet, even as, as, after, ;"
_CONCESSIONS = "despite, in spite of, notwithstanding, shrugs off, shrugging off, shrug off, defies"
_FAINT = """slightly, modestly, marginally, somewhat, a bit, slight, modest, marginal, little"""
_LOUD = """sharply, steeply, significantly, strongly, dramatically, massive, massively, huge,
sharp, steep, heavily, deeply"""

# What never judges by itself, though a part of it would: read as one neutral word.
_NEUTRAL_PHRASES = """after a loss, after a profit, discontinued operations, after losses, no
position, settles on, in line with, in line, short term, long term, longer term, as long as,
short dated, long dated, long time, as well as, up to, set up, sets up, make up, follow up, start
up, startup, write up, up for, fine tune, target date, buy back, record date, stop loss, at
least, cut off, after hours, so long, long awaited, fire department, a short, down payment, step
down, steps down, top 10, good morning, good friday, great britain, best buy, growth stocks,
growth stock, growth fund, growth strategy, growth company, the lead, down under, short list,
shortlist, increase capital, share capital, shares outstanding, number of shares, advanced micro
devices, capital increase, new york, not only, more than half, less than half, income tax, profit
and loss, loss adjuster, cutting edge, higher education, fast growing, sale of, gain access,
subject to approval, subject to, pending approval, the dip, as expected, red hat, red sea, green
bay, strike price, strike prices, ban on, recall election, hits the road, fire sale, support
level, raises questions, strong dollar, strong euro, add on, short of cash, added value, value
added"""

FORMS: dict[str, Form] = {
    **_forms(_MORE_IS_GOOD, Form("metric", 1.0)),
    **_forms(_MORE_IS_BAD, Form("metric", -1.0)),
    **_forms(_RISES, Form("move", 1.0, "either")),
    **_forms(_LEAPS, Form("move", 1.4, "either")),
    **_forms(_RAISES, Form("move", 1.0, "after")),
    **_forms(_FALLS, Form("move", -1.0, "either")),
    **_forms(_PLUNGES, Form("move", -1.4, "either")),
    **_forms(_CUTS, Form("move", -1.0, "after")),
    **_forms(_ENDS, Form("move", -1.0, "only")),
    **_forms(_SIZES, Form("move", -1.0, "only")),
    **_forms(_LARGER, Form("move", 1.0, "only")),
    **_forms(_ABOVE, Form("move", 1.0, "expected")),
    **_forms(_BELOW, Form("move", -1.0, "expected")),
    **_forms(_GOOD, Form("judgement", 1.0)),
    **_forms(_BAD, Form("judgement", -1.0)),
    **_forms(_NEGATORS, Form("negator", -0.9)),
    **_forms(_FAILURES, Form("negator", -0.7, "bad")),
    **_forms(_HEDGES, Form("hedge", 0.6)),
    **_forms(_FAINT, Form("scale", 0.7)),
    **_forms(_LOUD, Form("scale", 1.25)),
    **_forms(_TURNS, Form("turn", 0.0)),
    **_forms(_CONCESSIONS, Form("concession", 0.3)),
    **_forms(_NEUTRAL_PHRASES, Form("plain", 0.0)),
}
# The longest phrase that begins with a word, for matching the longest first.
PHRASE_LENGTHS: dict[str, int] = {}
for _phrase in FORMS:
    _first, _length = _phrase.split()[0], len(_phrase.split())
    PHRASE_LENGTHS[_first] = max(_length, PHRASE_LENGTHS.get(_first, 1))

# A metric that is bad news when merely named: "posts a loss", not "discusses costs".
BAD_BY_ITSELF = phrase_set(
    "lawsuit,lawsuits,class action,probe,probes,investigation,investigations,penalty,penalties,"
    "violation,violations,bankruptcy,layoff,job cuts,redundancies,recall,recalls,outage,outages,"
    "threat,fear,problem,problems,allegations,breach,breaches,sanction,strike,strikes,ban,bans,"
    "fine,fines,unrest,dispute,disputes,suit,selling pressure,bad loans,loan losses,"
    "loss,losses,net loss,operating loss,pretax loss,layoffs,shortfall,writedown,writedowns,"
    "write down,write downs,impairment,impairments,delay,delays,fears,worries,headwinds,"
    "shortage,shortages,bankruptcies,cash burn,dilution,losing streak,defaults,concerns"
)
GOOD_BY_ITSELF = frozenset({"growth"})
EXPECTATION_METRICS = phrase_set(
    "estimate,estimates,expectations,forecast,forecasts,consensus,guidance,outlook"
)
# What a share did is the market's own verdict on the rest of the line.
VERDICT_METRICS = frozenset({"shares", "share", "stock", "stocks", "share price", "stock price"})
DIRECTION_WORDS = frozenset(
    word for word, form in FORMS.items() if form.kind in ("move", "judgement") and " " not in word
)
