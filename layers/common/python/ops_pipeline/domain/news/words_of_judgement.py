"""Words that judge by themselves: good or bad, in news and reports.

One list a role, see lexicon for what each role does; phrases between commas.
"""

GOOD = """back in profit, back in the black, back to black, to the black, turned to a profit,
turned to profit, turns to profit, turned positive, turns first, turns a profit, first profit,
first annual profit, favourably, favorably, developed well, remained good, remained high, was
good, bounce, bounces, bounced, bouncing, squeezing shorts, shorts squeezed, flipping long, going
long, averts strike, averting strike, cheaper, beat, beats, beating, topped, tops, top estimates,
top forecasts, top expectations, exceed, exceeds, exceeded, exceeding, surpass, surpasses,
surpassed, outperform, outperforms, outperformed, outperforming, outpace, outpaces, outpaced,
upgrade, upgrades, upgraded, overweight, strong buy, buy rating, conviction buy, bullish, record
profit, record sales, record revenue, record earnings, record quarter, record orders, better than
expected, better than forecast, above estimates, above expectations, above forecasts, above
consensus, above views, ahead of expectations, ahead of estimates, ahead of forecasts, ahead of
consensus, stronger than expected, higher than expected, faster than expected, strong, stronger,
strongest, robust, solid, healthy, upbeat, impressive, stellar, blowout, blockbuster, win, wins,
won, winning, awarded, secures, secured, secure, lands, landed, clinches, clinched, bags,
approval, approves, approved, wins approval, clears, cleared, clearance, breakthrough, success,
successful, successfully, positive, favorable, favourable, attractive, optimistic, rally, rallies,
rallied, rallying, tailwind, tailwinds, profitable, swings to profit, swing to profit, swung to
profit, swung to a profit, swings to a profit, return to profit, returns to profit, returned to
profit, back to profit, return to profitability, turns profitable, turned profitable, turnaround,
pays off, paid off, thrive, thrives, thriving, flourish, boon, milestone, best ever, best quarter,
best day, breakout, breaks out, oversubscribed, acquitted, exonerated, undervalued, bargain, to
the moon, uptrend, bull run, golden cross, accretive, lucrative, special dividend, share buyback,
debt free, reinstates dividend, resumes dividend, excellent, gainer, gainers, outperformance, top
pick, strength, resilient, resilience, excited, confident, contract worth, order worth, wins
contract, wins order, wins deal, won a contract, won an order, received an order, received orders,
receives order, supply deal, new order, new contract, lucrative contract, cost savings, savings,
reaffirms dividend, new product launch, breaking out, undervaluation, benefit, benefits,
benefited, benefiting, progress, award, awards, bullishness, ends probe, ends strike, ends
dispute, ends investigation, drops lawsuit, lawsuit dismissed, short squeeze, short covering,
shorts covering, breaks above, broke above, broken above, in the black, in the green, gains
ground, gained ground, signs contract, signed a contract, signs deal, signs supply deal, boost
for, boost to, crushes, crushed, smashes, smashed, trounces, backs, stabilises, stabilizes,
stabilised, stabilized, undisputed, well received, upside, upbeat about, pays down, in demand,
sold out, exceeding expectations, gets approval, gets nod, green light, greenlights, green lights,
holding strong, has legs, claws back, clawed back, claw back, cheer, cheers, cheered, cheering,
toasts, outstrip, outstrips, outstripped, resumes payouts, resumes payout, resumes production,
resumes output, resumes service, resumes flights, reopens, restarts production, sweetened offer,
go ahead for, gives go ahead, gets go ahead, gives nod, wins nod, fda nod, shown to work, meets
goal, meets main goal, met main goal, meets primary endpoint, met primary endpoint, meets
endpoint, meets target, meets targets, met its target, hits target, hits targets, succeeds,
succeeded, rules for, rules in favor, rules in favour, wins ruling, wins appeal, wins case,
relief, lifeline, hits peak, record volumes, record month, record week, record day, record year,
best weekend, best month, best year, best since, best in, best week, best result, best quarterly,
best annual, fullest, fastest, biggest ever order, largest order, largest orders, biggest order,
largest contract, takeover bid, takeover offer, buyout offer, receives bid, gets bid, bid premium,
at a premium, premium bid, pops, popping, outshine, outshines, outshone, hot demand, sells out,
fills more seats, snaps up, snapped up, upsized, erases losses, pares losses, trims losses,
recoups losses, tariffs lifted, lifts tariffs, lifts ban, ban lifted, lifts sanctions, sanctions
lifted, lifts restrictions, restrictions lifted, lockdown lifted, ban overturned, breathe easier,
breathes easier, clears way, clear way, paves way, paves the way, bears fruit, bear fruit, bore
fruit, passes stress test, passed stress test, passes test, passes tests, passed inspection,
winning run, winning streak, extends winning run, hot streak, steam ahead, steams ahead, forge
ahead, forges ahead, powers ahead, races ahead, pulls ahead, on track to beat, ahead of schedule,
ahead of plan, ahead of target, under budget, turn bullish, turns bullish, turned bullish,
brightest, bright, brighter, gone well, went well, goes well, going well, pleased with, satisfied
with, happy with, proud, fruitful, rewarding, smoothly, flawless, exceptional, exceptionally,
outstanding, remarkable, superb, fantastic, terrific, well positioned, well placed, number one in,
clear number one, becomes the market leader, become the market leader, becomes market leader,
strengthens its position, strong position, competitive edge, competitive advantage, more
efficient, more efficiently, more competitive, faster, safer, heavily subscribed, taking on more,
hiring spree, hires more, to hire, creates jobs, create jobs, creating jobs, new jobs, buy from
hold, buy from neutral, buy from sell, hold from sell, neutral from sell, hold from reduce,
accumulate from, raised raised to hold, raised to outperform, lifted to buy, outlook to positive,
outlook to stable from negative, one of the best, best performer, top performer, leads gainers,
market beating, on the mend, mends, healthier, thrived, booked a profit, posts profit, posted a
profit, reports profit, profit surprise, upside surprise, surprise profit, earnings beat, double
beat, beat and raise, top line beat, fda approval, fda clears, fda approves, eu approval, fast
track, orphan drug status, breakthrough status, promising, encouraging, hopeful, favorite,
favourite, cash rich, rescue deal, rescued, bailed out, saves, saved, wins back, gained approval,
granted approval, received approval, receives approval, grants approval, awarded a patent, granted
a patent, patent win, settles lawsuit, cleared of, vindicated, no longer under investigation,
insider buying, initiated at buy, initiates at buy, starts at buy, started at buy, at outperform,
at overweight, overweight rating, outperform rating, new buy, maintains buy, reiterates buy,
reiterated buy, added to conviction list, to conviction list, conviction list, activist stake,
takes activist stake, raised its stake, unlocks value, unlock value, spin off unlocks, joins s&p
500, joins index, added to index, to join s&p 500, attractive valuation, undemanding valuation,
well above, comfortably above, far above, easily beat, easily beats, handily beats, gains
traction, gaining traction, gained traction, catches on, demand surge, keeps growing, growth
story, high demand, big order, large order, mega deal, bumper, windfall, jackpot, boon for, lucky,
hits the jackpot, supercharge, supercharges, turbocharge, turbocharges, energise, energises,
invigorate, reinvigorate, flourishing, prosper, prospers, prosperous, at a profit, hefty profit,
tidy profit, healthy profit, weathers, weathered, rides out, rode out, withstands, withstood, wins
backing, gets backing, gains backing, save, return cash, returns cash, returning cash, return
capital, hand back, very well, well on the way, on track, more passengers, more customers, more
users, more subscribers, more orders, more visitors, more guests, more than double, more than
doubled, more than doubles, more than tripled, brisk trading, trading well, trades well, strong
trading, bidders circle, woos, in favour with, boosted by, helped by, driven by strong, lifted by,
buoyed by, aided by, gets boost, gets a boost, gets lift, gains a bull, woke up, ends case with no
penalty, no penalty, speeds up, speed up, beats blues, hold firm, holds firm, held firm, holds up,
held up well, keeps lead, strengthened its lead, extends lead, extended its lead, widens lead,
takes lead, took the lead, retains account, retains contract, wins account, lands client, turns
the corner, turned the corner, turning the corner, strikes deal, struck a deal, laps rivals,
overtakes, overtook, restart, restarts, to restart, near triple, surprises on the upside, opens
the way, opens the door, secures financing, secures its, secures liquidity, record level, record
pace, record opening, nearly doubled, almost doubled, nearly doubles, nearly triple, on trial
success, trial success, trial win, deal with union, enlarges, strong start, got off to a good
start, off to a good start, gains share, gaining share, took market share, takes market share,
outgrow, outgrows, outgrew, better off, well ahead, recruiting, increasing its number of outlets,
expands its network, emerges from bankruptcy, emerge from bankruptcy, exits bankruptcy, emerged
from bankruptcy, fires on all cylinders, firing on all cylinders, poaches, poached, enjoy, enjoys,
enjoyed, blows past, blew past, blow past, blew away, blows away, notches, notched, keeps tax
break, nets, netted, rescue plan wins, creditor vote, quickest, steady growth, well capitalised,
well capitalized, self sufficient, wins vote, wins backing for, wins over, won over, green shoots,
rosy, rosier, sunny, buzzing, vigorous, vigorously, energetic, at full speed, full speed, high
gear, into gear, out of the woods, off to a flying start, averting walkout, averts walkout,
through the roof, record crowds, record attendance, record visitors, grip on costs, hits
endpoints, hit endpoints, hits endpoint, off the charts, delivers the goods, on course, builds
stake, adds to stake, raises stake, new bull, repays debt, repaid debt, repays loan early,
resolves dispute, resolved dispute, dispute resolved, sees off, saw off, fends off, fended off,
ups stake, to buy back up to, to buy back shares"""
BAD = """into the red, into loss, into a loss, deeper into loss, deeper into the red, turned to a
loss, turned to loss, turns to loss, turned negative, squeezed by, eats into, ate into, eaten
into, burns through, burned through, halting, grounds fleet, grounded, grounding, redundant, made
redundant, ordered to pay, orders to pay, must pay, stuck with, unsold, flood of claims, walk out,
walks out, walked out, discontinue, discontinues, discontinuing, no dividend, unfavourably,
unfavorably, remained low, was poor, cancelled an order worth, cancels order, cancelled order,
loses order, rolling over, rolls over, rolled over, failed breakout, flop, flops, flopped, looks
heavy, falling knife, stopped out, burdened, burdens, overruns, write downs, dividend be paid,
debt to junk, sinks into the red, slides deeper into loss, miss, misses, missed, missing
estimates, fall short, falls short, fell short, underperform, underperforms, underperformed,
underperforming, downgrade, downgrades, downgraded, underweight, sell rating, strong sell,
bearish, profit warning, profits warning, warn, warns, warned, warning, worse than expected, worse
than feared, worse than forecast, weaker than expected, lower than expected, slower than expected,
below estimates, below expectations, below forecasts, below consensus, below views, short of
estimates, short of expectations, under estimates, under expectations, shy of estimates, record
loss, weak, weaker, weakest, weakness, sluggish, soft, disappoint, disappoints, disappointed,
disappointing, disappointment, dismal, poor, grim, gloomy, bleak, worst, worst day, sue, sues,
sued, suing, probed, investigate, investigates, investigated, investigating, subpoena, subpoenas,
fraud, fraudulent, scandal, bribery, corruption, misconduct, antitrust, fined, guilty, indicted,
charged with, bankrupt, insolvency, insolvent, chapter 11, going concern, default on, defaulted,
delisted, delisting, delist, lay off, lays off, laid off, jobs cut, cut jobs, cuts jobs, cutting
jobs, slashes jobs, furlough, furloughs, walkout, recalled, halt, halts, halted, suspend,
suspends, suspended, shuts down, shutdown, closure, closures, cancel, cancels, cancelled,
canceled, terminate, terminates, terminated, scrap, scraps, scrapped, reject, rejects, rejected,
rejection, blocked, bans, banned, sanctions, hack, hacked, breached, cyberattack, explosion,
crisis, recession, negative, unfavorable, pessimistic, trouble, troubles, troubled, struggle,
struggles, struggled, struggling, suffer, suffers, suffered, suffering, threatens, threat to,
headwind, headwinds, sours, swings to loss, swing to loss, swung to loss, swings to a loss, swung
to a loss, swung to a net loss, negative territory, overvalued, expensive, bubble, shorting, dump,
dumps, dumped, dumping, bagholder, downtrend, death cross, bear market, breakdown, dilutive,
dilution, suspends dividend, scraps dividend, cuts dividend, cut its dividend, omits dividend,
resign, resigns, resigned, resignation, ousted, steps down abruptly, short seller, accuse,
accuses, accused, alleged, alleges, loser, losers, junk, downbeat, turmoil, turbulence, fallout,
setback, setbacks, failure, fail, fails, failed, failing, jeopardy, doubt, doubts, terrible,
awful, overstated, restate, restates, restated, restatement, writeoff, write off, writes off,
underperformance, loses, lose, lost, losing, lost ground, panic, plagued, worry, worried,
concerned, injured, deadly, crackdown, glut, stalls, stalled, stagnant, delayed, delays launch,
laying off, hit by, hurt by, set aside more, sets aside, set aside, no longer expects, no longer
sees, not as expected, breaks below, broke below, breaks support, under pressure, blow, blow to,
in the red, drag, drags, dragged, hammered, pummeled, battered, rattled, spooked, jitters, woes,
worsen, worsens, worsened, worsening, tough, difficult, challenging, burden, cautious, exodus,
withdraws, withdrew, pulls out, pulled out, quits, abandons, abandoned, ditches, dispute,
arrested, raided, convicted, pleads guilty, leak, spill, accident, killed, dies, oversupply, lay
offs, ugly, loses ground, force majeure, bearishness, dead money, overhang, bleed, bleeding,
nosediving, derailed, slammed, hacked off, wipes out, wiped out, loss making, lossmaking,
unprofitable, axe, axed, axing, to axe, left with, bleeds, revolt, revolts, backlash, outcry,
boycott, boycotts, protest, protests, swamped, on watch for downgrade, under review for downgrade,
side effects, run short, runs short, ran short, running short, short of cash, runs out of, run out
of, ran out of, inquiry into, opens inquiry, formal inquiry, talks with lenders, missed payment,
misses payment, idles, idled, idling, infringe, infringes, infringed, infringement, steal data,
stole data, data theft, hackers, disrupt, disrupts, disrupted, disruption, disruptions, afloat,
stay afloat, state aid, bailout, bail out, seeks aid, bottom end, lower end, low end of, refuses
permit, refuses to, refused, back out, backs out, backed out, stumble, stumbles, stumbled,
stumbling, falter, falters, faltered, faltering, sputter, sputters, sputtered, stutter, stutters,
wobble, wobbles, wobbled, languish, languishes, languished, reel, reels, reeling, reeled,
clobbered, bruised, bruising, hobbled, hobbles, crippled, cripples, painful, ouch, headache,
headaches, clouded, overshadow, overshadows, overshadowed, stung, sting, punished, punish,
penalised, penalized, shun, shuns, shunned, snub, snubs, snubbed, flee, flees, fled, fleeing, pull
plug, pulls plug, pulls the plug, mothball, mothballs, mothballed, shelve, shelves, shelved,
postpone, postpones, postponed, pushes back, pushed back, put off, puts off, barred, raid, raids,
seize, seizes, seized, freeze, freezes, embezzlement, laundering, money laundering, price fixing,
cartel, whistleblower, tax evasion, evasion, class action, cash crunch, credit crunch, crunch, in
default, covenant breach, toxic, bust, busts, doomed, contamination, contaminated, defect,
defective, faulty, fault, faults, malfunction, malfunctions, glitch, error, errors, accounting
hole, irregularities, dims, dimmed, dimming, soured, souring, rationing, to close for good, goes
into administration, into administration, administrators, receivership, liquidation, liquidate,
goes bust, went bust, goes under, went under, collapse of, winding up, wound up, under fire, comes
under fire, slaps, slapped with, hit with, hits out, bad results, run of bad, poor results, poor
sales, poor demand, low demand, weak demand, lower demand, slack demand, lacklustre, lackluster,
tepid, subdued, anaemic, anemic, patchy, muted, frail, fragile, gloomier, bleaker, worst is yet to
come, brace for, braces for, bracing for, braced for, worst since, worst week, worst month, worst
year, worst quarter, outlook to negative, outlook to stable from positive, negative outlook,
negative watch, watch negative, reduce from hold, sell from hold, hold from buy, neutral from buy,
reduce from buy, neutral from overweight, hold from outperform, cut to hold, cut to neutral, cut
to sell, cut to underperform, cut to reduce, lowered to, at underperform, at underweight,
underperform rating, initiated at sell, starts at sell, started at sell, initiates at sell,
breaking up, break up of, forced to, forced sale, forces out, pushed out, forced out, fires ceo,
sacked, sacking, dismissals, to be dismissed, workers dismissed, will be dismissed, personnel
negotiations, codetermination, co determination, codetermination talks, cooperation negotiations,
temporary layoffs, temporarily laid off, notice of dismissal, adapting capacity, adjustment of
capacity, jobs will be lost, jobs lost, be lost, jobs at risk, job losses, posts to go, jobs to
go, standstill, at a standstill, comes to a halt, ground to a halt, grinds to a halt, at a halt,
closes down, close down, closing down, closed down, pull out of, pulling out of, uncertain,
hampered, hampers, hamper, hindered, hinders, hinder, impeded, strained, constrained, restrained,
held back, holds back, hold back, weighed down, dragged down, drags on, dogged by, marred by, mar,
mars, plague, plagues, beset by, bogged down, lags behind, left behind, behind schedule, behind
plan, over budget, overdue, stalemate, breaks down, broke down, talks collapse, talks fail, talks
break down, talks stall, as talks stall, deal collapses, deal off, called off, calls off, walks
away, walked away, walk away, loses bid, loses appeal, loses case, loses contract, lost contract,
lost the contract, loses customers, losing customers, shed customers, defections, defect to,
spooks, spook, unnerve, unnerves, unnerved, frets, fret, fretting, anxiety, anxious, scare,
scares, scared, fearful, fears of, fear of, dread, alarmed, alarming, warns of, warned of, profit
alert, shock loss, surprise loss, loss warning, revenue warning, sales warning, guides below,
guides lower, guided lower, guidance below, outlook below, pulls outlook, pulls guidance, pulled
guidance, withdraws guidance, withdraws outlook, halts dividend, suspends payout, suspends
buyback, scraps payout, scraps buyback, dividend cut, dividend at risk, eliminates dividend,
slashes dividend, dividend suspended, gives up gains, erases gains, pares gains, trims gains, gave
up gains, loses bull, loses a bull, reels in, capital loss, rules against, ruled against, tax
probe, accounting probe, sec probe, doj probe, antitrust suit, antitrust probe, securities fraud,
securities class action, investor alert, shareholder alert, investigating claims, tragedy, tragic,
fatal, fatalities, crash of, derail, derails, cash strapped, debt laden, debt ridden, struggling
to, distressed, in distress, in trouble, in doubt, in limbo, on the brink, verge of collapse, last
ditch, grim outlook, clash, clashes, feud, row over, spat, wrath, fury, furious, anger, angry,
angers, slam, slams, blasted, criticises, criticizes, criticised, criticized, criticism, condemns,
rebuke, rebukes, rebuked, censure, reprimand, embarrassing, embarrassment, shortages of, power
cut, power cuts, blackout, blackouts, flooding, floods, hurricane, earthquake, drought, wildfire,
wildfires, storm claims, removed from index, removes from conviction list, removes from, dropped
from index, booted from, too expensive, overpriced, rich valuation, lofty valuation, stretched
valuation, priced for perfection, insider selling, insiders selling, insiders sell, insiders
dumping, secondary offering, share sale, stock offering, prices offering, dilutes, diluted
shareholders, red flag, red flags, panic selling, margin calls, slack market, told to pay, agrees
to pay, to pay fine, onslaught, snag, snags, hits snag, hitch, hurdle, obstacle, obstacles,
opposition, flooded, eat into, crimp profit, takes hit, take hit, takes a hit, take a hit, took a
hit, hit on, a blow, knock, knocks, knocked, dents confidence, fierce, cut throat, gave up its
lead, loses lead, lost its lead, under investigation, lose their jobs, lose jobs, fewer jobs, at
risk, put at risk, puts at risk, putting at risk, be skipped, skips dividend, skipped dividend,
remains slow, remain slow, was slow, is slow, been slow, came under pressure, dearer, costlier,
crowded trade, onerous, burns cash, burning cash, cash burning, lapse, lapses, expire worthless,
uneasy, unease, jolt, jolts, jolted, shock, shocks, shocked, shaken, shaky, wary, nervous, nervy,
queasy, haunted, haunt, haunts, hangover, cracks, crack, crackdown on, woe, hardship, stagnation,
stagnates, stagnate, flatlines, recessionary, deflation, downward pressure, overhangs, grinding,
closures mount, leaving shoppers, keeps shoppers at home, keeping shoppers at home, blames, blame,
blamed, excuse, disarray, chaos, chaotic, havoc, wreak havoc, fiasco, debacle, flawed, flaw,
flaws, botched, bungled, misled, mislead, misleading, misstated, misconduct claims, harassment,
discrimination, lawsuit alleges, faces lawsuit, faces suit, faces probe, faces charges, face
charges, faces fine, in jail, jailed, prison, sentenced, extradition, stop paying, stops paying,
stopped paying, curbs to cost, cost it, freezes memberships, insider trading, on trial, stands
trial, faces trial, loses account, fall under, falls under, fell under, lowered by one notch, put
back by, is put back, was put back, trial flop, nearly halved, almost halved, was halved, grounded
after, puts off decision, amid fraud, cheat, cheats, cheated, cheating, lied, lies, shortchanged,
evicted, stranded, trapped, hunger strike, sabotage, spying, espionage, expelled, evacuate,
evacuates, evacuated, evacuation, quarantine, lockdown, lockdowns, pandemic, outbreak, epidemic,
virus fears, infected, invasion, war, attack, attacks, attacked, missile, terror, coup, riot,
riots, tension, blow for, a drag on, hit hard, hard hit, worst hit, hits hard, misfires, misfired,
vulnerable, strips, stripped of, out of puff, runs out of puff, runs out of steam, run out of
steam, grilled, outflows hit, costs hit, tariffs hit, charges hit, fears hit, strike hits, storm
hits, hit profit, hits profit, hit profits, hits profits, hit sales, hits sales, hit earnings,
hits earnings, hit demand, hits demand, hit results, hits results, hit output, hits output, hit
production, hits production, fake, nurses, hangover from, culls, outbreaks, voted down, vote down,
votes down, ruined, ruin, ruins, ruinous, rein in spending, shortened working, credit loss, weigh
down, bites into, bite into, chips away, undercut, undercuts, undermines, undermine, undermined,
sours on, sour on, turns sour, goes sour, out of favour, out of favor, last place, in retreat, on
the ropes, on its knees, wreck, wrecks, wrecked, shattered, shatters, broken, rotten, stale,
outdated, obsolete, ageing, aging fleet, understaffed, overworked, overstretched, overloaded,
excessive, censured, censures, out of control, spin out of control, spins out of control, runs
low, run low, running low, running out, falling off a cliff, falls off a cliff, pulls full year
view, missing the forecast, runs into, walkouts, comes up short, came up short, come up short,
pauses buyback, pauses dividend, leaves investors hungry, wrench, throws wrench, loses favor,
loses favour, chatter of bankruptcy, factory fire, fire at, fire disrupts, fire damage, fire
halts, fire destroys, rebellion, rebel, rebels, on ice, put on ice, puts on ice, jumps ship, jump
ship, jumped ship"""
# Good or bad more often than not: half of a clear statement and a little.
LIKELY_GOOD = """selected by, selected as, was selected, were selected, been selected, chosen by,
chosen as, been chosen, was chosen, has ordered, have ordered, been ordered by, an order for, an
order from, orders from, a contract with, a contract for, a contract from, contract to deliver,
contract to supply, contract to build, agreement to supply, agreement to deliver, will supply, to
supply, supply contract, delivery agreement with, contract is worth, order is worth, the order is
one of, order valued at, contract valued at, contract value is, value of the contract is, value of
the order is, frame agreement, framework agreement, extends contract, extended its contract,
renews contract, renewed its contract, reduces the, makes it possible, strategic partnership,
expands into, expand into, expanding into, enters market, new market, growing market, growing
demand, grow faster, good, great, in good shape, reached an agreement with the union, agreement
with union, wage deal, peace deal, trade deal, truce, ceasefire, stimulus, rate cut, rate cuts,
cuts rates, dovish, easing policy, will employ, new stake, takes stake, took stake, takes new
stake, buys stake, at full capacity, full capacity, deal with unions, union deal, expansion in,
gives access to, the company access to, us access to, group access to"""
LIKELY_BAD = """bad, ill, no deal, hawkish, rate hike, rate hikes, raises rates, hikes rates,
tight supply of, tough competition, price competition, price pressure, seasonal weakness, one off
costs, one time costs, non recurring costs, restructuring costs, streamlining measures,
seasonality, cyclical downturn, unresolved, questionable, controversy, controversial, contested,
challenged, objections, objected, opposed, opposes, oppose, rival bid fails, retreats from, exits
market, leaves market, to settle, exits, exit from, step back, off the table, limits on, capacity
problems"""
