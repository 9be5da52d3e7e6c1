"""Words of direction, and of what moves: "profit" up is good, "costs" up is bad.

One list a role, see lexicon for what each role does; phrases between commas.
"""

RISES = """rise, rises, rising, rose, risen, climb, climbs, climbing, climbed, gain, gains,
gaining, gained, grow, grows, growing, grew, grown, advances, advancing, up, upward, rebound,
rebounds, rebounded, rebounding, recover, recovers, recovered, recovering, recovery, higher, pick
up, picks up, picked up, edge up, edges up, edged up, tick up, ticks up, expansion, increase,
increases, increased, increasing, uptick, upturn, rally back, ▲, ↑, turned higher, accelerate,
accelerates, accelerated, accelerating, acceleration, climbing to, appreciate, appreciated,
heavier, elevated, highest, swell, swells, swelled, swelling, mounts, mounted, mounting, perk up,
perks up, perked up, revive, revives, revived, reviving, revival, take off, takes off, took off,
taking off, brighten, brightens, brightened, brightening, inch up, inches up, inched up, nudge up,
nudges up, creep up, creeps up, crept up, snap back, snaps back, pick up speed, gather pace,
gathers pace, gathered pace, tick higher, ticks higher, edge higher, edges higher, more than last
year, more than a year ago, more than a year earlier, more than in the previous year, more than in
the corresponding period, up by, went up, goes up, go up, going up, bounce back, bounces back,
bounced back, progressed, at a good level, at a high level, exceeding the previous year, is brisk,
was brisk, been brisk, brisk, lively, buoyant, vibrant, upped, ups, up sharply, quicken, quickens,
quickened, extends gains, sees rise in, stocks firm, shares firm, prices firm, firmer, firms up,
bump, bumps, bumped, ups its, trending up, steps up, stepped up, heat up, heats up, picking up,
unexpectedly rise, come up, moving up, moving on up, more than in the, more than in, turn up,
turns up, turned up, record high, record highs, all time high, all time highs, 52 week high, new
high, new highs, multi year high, high since, week high, month high, year high, decade high,
session high, quarter high, day high, week highs, month highs, year highs, hits high, hit high,
hits highs, highest ever, take flight, takes flight, took flight"""
LEAPS = """surge, surges, surged, surging, soar, soars, soared, soaring, jump, jumps, jumped,
jumping, rocket, rockets, rocketed, skyrocket, skyrockets, skyrocketed, spike, spikes, spiked,
double, doubles, doubled, doubling, triple, triples, tripled, tripling, leap, leaps, leaped,
leapt, shoot up, shot up, balloon, balloons, ballooned, boom, booms, boomed, booming, rip, rips,
ripped, ripping, zoom, zooms, zoomed, vault, vaults, vaulted, explode, explodes, exploding,
exploded, quadruple, quadruples, quadrupled, roar, roars, roared, roaring, catapult, catapults,
sizzle, sizzles, mushroom, mushroomed, blast off, blasts off, a third higher, up a third, up by a
third, up a fifth, up by half, doubling of"""
RAISES = """raise, raises, raised, raising, boost, boosts, boosted, boosting, lift, lifts, lifted,
lifting, hike, hikes, hiked, hiking, improve, improves, improved, improving, improvement, widen,
widens, widened, widening, wider, expand, expands, expanded, expanding, enhance, enhances,
enhanced, strengthen, strengthens, strengthened, strengthening, bump up, bumps up, ramp up, ramps
up, ramped up, add to, deepen, deepens, deepened, add, adds, added, adding, rebuild, rebuilds,
restore, restores, restored, bolster, bolsters, bolstered, bolstering, buoy, buoys, buoyed,
fuelled, fueled, propel, propels, propelled, spur, spurs, spurred, underpin, underpins,
underpinned, upsizes, sweeten, sweetens, sweetened, hoist, hoists, hoisted, accelerate growth,
grow its, grows its, lengthen, lengthens, fatten, fattens, stoke, stokes, stoked, heighten,
heightens, heightened, worsen its, powers"""
FALLS = """dry up, dries up, drying up, dried up, fall, falls, falling, fell, fallen, drop, drops,
dropping, dropped, decline, declines, declining, declined, decrease, decreases, decreasing,
decreased, down, downward, slip, slips, slipped, slipping, ease, eases, eased, easing, dip, dips,
dipped, dipping, lower, shrink, shrinks, shrank, shrunk, shrinking, contraction, retreat,
retreats, retreated, slide, slides, slid, sliding, sink, sinks, sank, sunk, sinking, edge down,
edges down, edged down, weaken, weakens, weakened, weakening, slow, slows, slowed, slowing,
slower, slowdown, downturn, pull back, pulls back, pulled back, pullback, lag, lags, lagged,
lagging, turned lower, softer, narrow, narrows, narrowed, narrowing, narrower, deteriorate,
deteriorates, deteriorated, deteriorating, deterioration, ▼, ↓, diminish, diminished, dwindle,
dwindled, dwindling, erode, erodes, eroded, fade, fades, faded, cools, shed, sheds, reduction,
dips below, lowest, trails, trailed, trailing, skid, skids, skidded, shrivel, shrivels,
shrivelled, shriveled, wilt, wilts, wilted, wither, withers, withered, subside, subsides,
subsided, taper, tapers, tapered, droop, droops, sag, sags, sagged, wane, wanes, waned, waning,
recede, recedes, receded, receding, slump in, inch down, inches down, edge lower, edges lower,
tick down, ticks down, tick lower, ticks lower, drift lower, drifts lower, drifted lower, less
than last year, less than a year ago, less than a year earlier, less than in the previous year,
less than in the corresponding period, went down, goes down, go down, going down, down by, lose
steam, loses steam, lost steam, soften, softens, softened, softening, at a low level, at a poor
level, ebb, ebbs, ebbed, drooped, decelerate, decelerates, decelerated, deceleration, fall back,
falls back, fell back, falling back, flagged, flagging, darken, darkens, darkened, fall off, falls
off, fell off, drop off, drops off, dropped off, tail off, tails off, chop, chops, chopped,
trending down, below plan, tracks lower, heads lower, come down, comes down, came down, cool off,
cools off, cooled off, moving down, less than in the, less than in, activity contracts, economy
contracts, output contracts, sector contracts, contracts again, record low, record lows, all time
low, 52 week low, new low, new lows, multi year low, week low, month low, year low, decade low,
session low, quarter low, day low, week lows, month lows, year lows, low since, hits low, hit low,
hits lows, economy contracted, sales contracted, output contracted, stall, stalling"""
PLUNGES = """plunge, plunges, plunged, plunging, plummet, plummets, plummeted, plummeting, tumble,
tumbles, tumbled, tumbling, crash, crashes, crashed, crashing, collapse, collapses, collapsed,
collapsing, nosedive, nosedives, slump, slumps, slumped, slumping, tank, tanks, tanked, tanking,
crater, craters, cratered, halve, halves, halved, sell off, selloff, sells off, free fall, rout,
dive, dives, dived, dove, evaporate, evaporated, nose dive, sinks like, wallop, implode, implodes,
imploded, imploding, freefall, capsize, melt down, meltdown, bleed out, down a third, down by a
third, down a fifth, a third lower, down by half"""
CUTS = """cut, cuts, cutting, reduce, reduces, reduced, reducing, slash, slashes, slashed,
slashing, trim, trims, trimmed, trimming, lowers, lowered, lowering, curb, curbs, curbed, pare,
pares, pared, scale back, scales back, scaled back, minimize, minimise, minimized, decreased its,
squeeze, squeezes, squeezed, dent, dents, dented, depress, depressed, shave, shaves, weigh on,
weighs on, weighed on, hurt, hurts, dismiss, dismisses, dismissed, drops case, drop case, throws
out, avert, averts, averted, overturn, overturns, overturned, resolve, resolves, defuse, quell,
quells, soothe, calm, calms, curtail, curtails, curtailed, dampen, dampens, dampened, crimp,
crimps, crimped, prune, prunes, pruned, clip, clips, clipped, whittle, whittles, whittled,
relieve, relieves, relieved, mitigate, mitigates, mitigated, quieten, alleviate, alleviates,
dispel, dispels, shake off, shakes off, shook off, ratchet down, take down, takes down, capped,
halt rise in, stemmed, bring down, brings down, brought down, overcome, overcomes, overcame, stem
losses, stems losses, crimping"""
MORE_IS_GOOD = """return on capital, return on capital employed, roce, position, foothold,
utilisation of, capacity utilisation, capacity utilization, passenger numbers, equity ratio, cash,
profit, growth, profits, profitability, earnings, income, sales, sale volumes, revenue, revenues,
turnover, margin, margins, ebit, ebitda, eps, demand, dividend, dividends, payout, guidance,
outlook, forecast, forecasts, estimate, estimates, expectations, orders, order intake, order book,
orderbook, backlog, bookings, shares, share, stock, stocks, share price, stock price, shareholder
value, price target, target price, target, pt, rating, ratings, cash flow, cash flows, market
share, deliveries, shipments, output, production, volumes, volume, traffic, users, subscribers,
customers, passengers, exports, net interest income, assets, equity, return on equity, results,
result, performance, growth rate, productivity, efficiency, confidence, sentiment, valuation,
market cap, capacity, hiring, jobs added, employment, gdp, economy, futures, index, nasdaq, dow,
s&p, s&p 500, ftse, dax, nikkei, markets, equities, bonds, liquidity, yield on, receipts, buyback,
buybacks, repurchase, net asset value, nav, fees, premiums, loans, deposits, bids, consumer
spending, retail sales, housing starts, same store sales, like for like sales, comparable sales,
synergies, free cash flow, top line, bottom line, operating profit, operating result, pretax
profit, net profit, net income, net sales, gross margin, operating margin, adoption, bookings
value, credit rating, inflows, prices, price, optimism, jobs, staff, workforce, headcount,
workers, consensus, morale, payrolls, approvals, mortgage approvals, building permits, permits,
occupancy, load factor, comps, like for likes, like for like, reservations, rental income, rents,
footfall, visitors, guests, members, membership, subscriptions, payouts, spending, tourism,
construction, manufacturing, activity, surplus, trade surplus, investment income, operating
earnings, core earnings, underlying profit, core profit, gross profit, operating cash flow,
working capital efficiency, order inflow, orders received, new orders, sales volume, sales
volumes, licence sales, cargo, cargo volume, freight volumes, freight rates, throughput,
circulation, advertising revenue, ad sales, ad revenue, viewers, listeners, downloads,
registrations, car sales, home prices, house prices, home sales, industrial output, factory
orders, exports to, job openings, wages growth, household income, purchasing power, business
confidence, consumer morale, consumer confidence, quarterly dividend, interim dividend, annual
dividend, view, full year view, guide, outlook for, price targets, targets, pts, target prices,
eps view, crude, oil prices, copper, gold, pound, sterling, the pound, peso, rupee, average
selling price, average revenue per user, arpu, solvency, capital ratio, solvency ratio, tier 1
ratio, operating income, net result, result for the period, ebita, pretax result, quality,
satisfaction, customer satisfaction, interest in, popularity, awareness, sales growth, order
growth, capacity use, operating rate, availability, punctuality, yields per, same store, gross
bookings, number of passengers, number of customers, number of subscribers, number of users,
number of visitors, number of orders, number of broadband subscriptions, clients, client assets,
assets under management, aum, net inflows, stake value, demand for, chances, hopes, roles,
employees, personnel, headcount growth, wage numbers, payday, profit before taxes, profit before
tax, result before taxes, result before tax, earnings before taxes, ebt, roi, roe, roa, ros,
return on investment, return on assets, operating performance, tonnage, bookings growth, load
factors, rig count, real, yen, euro, rouble, rand, wheat, corn, soybeans, oil, brent, gas prices,
natgas, potash, steel prices, copper prices, iron ore, order volume, invoicing, billings, net
revenue, rental revenue, fee income, commission income, lending, lending volume, deliveries of,
number of employees, number of personnel, credit, liquidity position, financial position, cash
position, balance sheet"""
MORE_IS_BAD = """bad debt, bad debt charge, energy prices, fuel prices, raw material prices, input
prices, suit, claim, loss, losses, net loss, operating loss, pretax loss, cost, costs, expense,
expenses, debt, debts, unemployment, jobless claims, inflation, defaults, default rate,
delinquencies, layoffs, deficit, shortfall, complaints, churn, delay, delays, impairment,
impairments, writedown, writedowns, write down, charge, charges, provisions, risk, risks,
volatility, tariff, tariffs, taxes, tax rate, outflows, redemptions, vacancies, vacancy, short
interest, bad loans, loan losses, loan loss provisions, credit losses, claims, injuries,
emissions, interest rate, interest rates, rates, borrowing costs, leverage, inventories, inventory
glut, recall costs, fines, penalties, uncertainty, concerns, fears, worries, tensions, pressure,
pressures, shortage, shortages, losing streak, accidents, burn, cash burn, insolvencies,
bankruptcies, stake sale, warnings, competition, lawsuit, lawsuits, probe, probes, investigation,
investigations, penalty, violation, violations, bankruptcy, layoff, job cuts, redundancies,
recall, recalls, outage, outages, threat, fear, problem, problems, allegations, breach, sanction,
strike, ban, fine, unrest, disputes, lawsuits against, bad debts, strikes, jitters over, breaches,
unemployment rate, downside, selling pressure, loan loss, bills, energy bills, arrears, late
payments, mortgage arrears, nerves, strain, strains, pain, trade deficit, trade gap, budget
deficit, current account deficit, unit costs, wage costs, personnel costs, personnel expenses,
production costs, material costs, fuel costs, labour costs, labor costs, input costs, operating
costs, operating expenses, financing costs, financial expenses, interest expenses, write offs, non
performing loans, problem loans, credit risk, loan loss provision, net debt, interest bearing
debt, gearing, debt load, debt pile, days lost, downtime, turnaround time, delivery times,
delivery time, lead times, throughput time, waiting time, energy consumption, fuel consumption,
consumption of energy, defects, returns rate, absenteeism, sick leave, claims ratio, combined
ratio, churn rate, attrition, cost overrun, cost overruns, red ink, stress, gloom, red tape,
glitches, bottlenecks, congestion, supply problems, hurdles, mortgage rates, borrowing cost, cost
of, cost base, tariffs on, levies, levy, duties, duty, excise, tax bill, tax burden, foreclosures,
evictions, casualties, infections, cases, losses from, loss per share, negative cash flow, gluts,
overcapacity, excess capacity, deadlock, infighting, relapse risk, stroke risk, heart attacks,
deaths, mortality, competition authority fine, loss before taxes, loss before tax, jobless rate,
fixed costs, goodwill write down, goodwill write downs, delinquency rate, delinquency, short
positions, spending cuts, supply glut, log prices, feed prices, oil costs, export curbs,
restrictions, dependence on, dispute over, energy bill, power bill, fuel bill, bill for, heating
bill"""
# What a figure is held against: "ahead of last year", "below plan".
YARDSTICKS = """last year, last year level, previous year, the year before, year earlier, prior
year, year ago, comparison period, corresponding period, previous quarter, budget, street, wall
street, the street, expected, previous level, prior level, est, ests, estimated, est of, forecast
of, whisper, analyst, figure, the figure, pre crisis level, cons"""
# What may rise and fall without good or harm to anybody.
STILL = """stake, stakes, holding, holdings, share capital, ownership, shareholding, voting
rights, votes, number of shares, temperature, temperatures, age, speed, floor area, offer price,
exercise price, par value, niches, presence in, sales office, sales manager, sales director, sales
organisation, sales network, sales unit, sales company, growth target, growth targets, profit
target, profit targets, sales target, sales targets, cost accounting, debt market, debt capital
markets, debt investors, debt offering, stock exchange, stock market today, market making, market
maker, production manager, production facilities, capital market, capital markets, risk
management, risk manager, income statement, cash dividend, cash consideration, market study, loss
of life insurance, stock option, stock options, share issue, share option, share options, wage
rise, wage rises, pay rise, pay rises, wage increase, wage increases, rate rise, rate rises, price
increase, profit sharing, production unit, production units, production company, production
technology, production process, assets and liabilities, order processing, share register, output
is, debt issuance, cash handling, traffic figures, sales force, sales channel, sales channels,
sales representative, sales agent, volume discount, production line, production lines, risk
factors, cost estimate, price list, price lists, investment company, income funds, demand side,
loss prevention, cargo ship, cargo ships, traffic lights, traffic control, passenger ship, target
group, target groups, target market, target audience, production report, results presentation,
result announcement, results call, performance test, growth companies, growth area, growth areas,
index fund, customer base, customer service, user interface, order number, outlook for the year is
given, equity research, debt advisory, stock symbol, fee free, number of people, people, number of
stores, number of votes, the number of members, months notice, days notice, recovery boiler,
recovery boilers, heat recovery, energy recovery, resource recovery, disaster recovery, noise
reduction, district cooling, savings bank, savings banks, savings account, savings accounts, solid
fuel, solid fuels, solid state, power station, power plant, power plants, power supply, power
company, power grid, hydro power, wind power, solar power, nuclear power"""
# What a company may close; only the closing of it counts.
SITES = """branches, branch, stores, store, plants, plant, factory, factories, mill, mills, mine,
mines, pit, smelter, refinery, refineries, kiln, kilns, restaurants, restaurant, shops, outlets,
site, sites, facility, facilities, hospitals, cinemas, showrooms, warehouses, warehouse, depots,
depot, furnace, furnaces, reactor, cafes, newspaper, newspapers, bureau"""
# "To close 90 branches", "closes probe"; without either nothing: "closes deal".
CLOSES = """close, closes, closing, shut, shuts, shutting, to shutter, shutter, shutters,
shuttering, wind down, winds down, winding down"""
