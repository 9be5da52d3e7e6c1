"""How people who post about their trades speak; read only in posts.

In a headline "long", "short", "calls" and "green" mean anything; beside a cashtag they
mean a position or a price.
"""

from itertools import product

BULLISH = """long, longs, long here, longing, go long, calls, call options, calls printing, buy,
buying, bought, buyer, buyers, buyers here, buy here, adding, add here, add on, adding more, added
more, loading, loaded, load up, loaded up, loading up, loaded the boat, load the boat, accumulate,
accumulating, accumulated, in at, in for the swing, back in, all in, nibbled, nibbling, starter
position, took a position, opened a position, holding, holding for, hodl, still holding, strong
hands, diamond hands, moon, mooning, to the moon, rocket, rocket ship, lambo, tendies, printing,
ripper, ready to run, wants to run, running, runner, run up, earnings run, get ready, about to
explode, about to pop, pop, due for a pop, due for a bounce, squeeze, squeezing, squeezed, squeeze
coming, about to squeeze, breakout, break out, breaks out, breaking out, broke out, breaking
through, broke through, breaks through, bounce, bouncing, bounced, nice bounce, reversal,
reversing, turning around, bull flag, bull pennant, bullish flag, cup and handle, inverse head and
shoulders, double bottom, golden cross, oversold, way oversold, bottomed, bottom is in, the bottom
is in, bottoming, looks like a bottom, support held, holding support, held support, higher lows,
higher highs, higher high, higher tomorrow, higher from here, new hod, hod, ath, aths, 52wk high,
new high, gap up, gapping up, gap and go, gap fill above, upside, undervalued, cheap, cheap here,
bargain, a steal, on sale, no brainer, love, loving, like this, i like, like it here, great, nice,
awesome, amazing, beautiful, gorgeous, monster, beast, killing it, crushing it, killed it, crushed
it, nailed it, solid, gem, hidden gem, winner, winners, easy money, easy double, free money,
multibagger, ten bagger, 10 bagger, congrats, congrats longs, kudos, let go, lfg, bulls, bulls in
control, bull, bullish, green, going green, strong, strong close, relative strength, power hour,
beats, blowout, ripe, poised, poised to, set to soar, ready to pop, ready to fly, fly, flying,
flies, parabolic, momentum, heating up, unusual call, call sweep, call buying, call volume, calls
bought, whale, whales buying, insider buy, insiders buying, institutions buying, big money buying,
good entry, great entry, nice entry, entry here, btfd, buy the dip, bought the dip, buying the
dip, buy the rumor, dip buyers, dip buy, on weakness, adding on weakness, just getting started,
getting started, more upside, going higher, goes higher, heading higher, headed higher, higher we
go, up we go, much higher, going up, up big, up huge, up nicely, target raised, pt raised, raises
pt, raised pt, raising pt, covered, covering, covered my short, not selling, never sell, best
stock, best tech, best in class, best company, great company, good company, solid company, own it,
must own, keeper, long term hold, happy holder, happy, in love, excited, can not wait, patience
pays, patience, oversold bounce, curl, curling, curling up, perking up, reclaim, reclaims,
reclaimed, above vwap, above the 50, above the 200, above resistance, looking good, looks good,
looks great, looking strong, looks strong, looking great, good to go, acting well, volume coming
in, nice volume, big volume buyers, cheapest, juicy, room to run, room to go, double from here,
money maker, cash cow, game changer, to infinity, send it, sending it, to 100k, ripped, price
discovery, buyout coming, takeover talk, bid, bidding, upgraded, upgrade coming, overweight, gift,
a gift, blue skies, missing out, woke up, waking up, turning here, turning up, sellers exhausted,
sellers are done, gains a bull, trending up, thanks for playing shorts, nothing but up, wow,
strongest, picked up, picked up some, takes new stake, new stake, monster move, next leg up, leg
up, go up, uptrend, strong hands only, ain not seen nothing yet, you are missing out, respect,
scooped, scooped up, grabbed, grabbed some, snagged, nibble, doubling down, doubled down, back up
the truck, backing up the truck, all aboard, choo choo, liftoff, lift off, launching, rally on,
pays me, dividend machine, compounder, moat, secular growth, dominates, dominating, unstoppable,
on fire, underrated, overlooked, sleeper, mispriced, clear skies, owns it, good enough for me,
resistance is gone, through resistance, cleared resistance, past resistance, no resistance, ready
for takeoff, ready for lift off, who is with me, come to papa, thank you market, bulls winning, we
are going up, hold tight, stay long, staying long, remain long, still long, adding here, trust the
process, vindicated, best quarter ever, smart money, blew the doors off, packed, short report is
nonsense, nonsense, with both hands, both hands, love to see it, bottom fishing, capitulation,
reversal candle, not leaving, like a champ, champ, so do i, paid off, unreal, aggressive buying,
volume is insane"""
BEARISH = """short, short here, shorts, shorting, shorted, shorty, puts, put options, puts
printing, sell, selling, sold, sellers, seller, selling pressure, selling into, trim, trimmed,
trimming, out of, i am out, out here, got out, get out, getting out, stay away, staying away, stay
out, avoid, avoiding, do not touch, would not touch, not touching, would not buy, do not buy, not
buying, no thanks, fade, fading, fades, faded, top is in, the top is in, topping, topped out,
topped, toppy, looks toppy, double top, triple top, head and shoulders, bear flag, bearish flag,
rising wedge, death cross, overbought, way overbought, overvalued, way overvalued, overpriced,
overextended, overdone, extended, exhausted, exhaustion, bubble, ponzi, scam, fraud, garbage,
trash, crap, pos, piece of junk, a joke, what a joke, worthless, going to zero, to zero, bk,
bankrupt, bagholder, bagholders, bag holder, bag holders, bagholding, bags, holding the bag, rug
pull, rugged, pump and dump, pumpers, pumped, dead cat, dead cat bounce, falling knife, catching a
knife, trap, bull trap, bulltrap, value trap, rekt, wrecked, get wrecked, getting wrecked, smoked,
getting smoked, hammered, killed, getting killed, destroyed, crushed, getting crushed, clobbered,
hurts, hurting, ugly, ugly chart, red, going red, bleeding, bleed, bloodbath, blood, lod, new lod,
lower lows, lower highs, lower low, lower tomorrow, lower from here, gap down, gapping down, lost
support, losing support, broke support, breaking support, breaking down, breaks down, broke down,
breakdown, broke the 50, broke the 200, lost the 50, lost the 200, lost its, below vwap, below
support, can not hold, could not hold, can not break, can not get above, failed to break, failed
to hold, look out below, watch out below, look out, next leg down, leg down, tank, tanking,
tanked, drill, drilling, drills, dump, dumping, dumped, dumps, flush, puke, puking, dilution,
offering, another offering, secondary, reverse split, insiders selling, insiders dumping, insider
selling, paper hands, weak hands, disaster, mess, what a mess, a mess, nightmare, hate, hated,
worried, scared, terrible, awful, horrible, bad, looks bad, looking bad, poor, pathetic,
disgusting, stopped out, stopped, took the loss, taking the loss, took a loss, cut my losses,
cutting losses, rejected, rejection, resistance again, rolling over, going lower, goes lower,
heading lower, headed lower, lower we go, much lower, going down, down big, down huge, pullback,
due for a pullback, due for a correction, correction coming, weak close, weak, relative weakness,
weakness, into strength, sell the news, sell the rip, sell the pop, gets sold, got sold, being
sold, taking profits, took profits, take profits, took profit, profit taking, bears, bear, bears
in control, bearish, hindenburg, broken, chart is broken, broken chart, dead money, dead, toast,
cooked, is done, over, party over, rally is over, lagging, laggard, no growth, no moat, going
nowhere, expensive, too expensive, way too high, frothy, froth, hype, overhyped, hyped, sucks,
sucker, suckers, lol longs, still not cheap, not cheap, makes no sense, make no sense, no sense,
does not make sense, ridiculous, absurd, delusional, dreaming, dreamers, hopium, copium, crashing,
crash coming, recession, manipulated, manipulation, jail, jail time, lawsuits, downgraded, value
destroyed, lost half, down from here, underwater, pt cut, cuts pt, target cut, targets trimmed,
underweight, crowded trade, head for the door, burns cash, burning cash, buyers exhausted, no bid,
exits, trending down, glad i got out, i got out, got out when, weakest, asleep, tax loss selling,
leaving, are not the low, way lower, nosedive, picked up puts, see you lower, fails at, fail at,
not the bottom, no bottom, catch a knife, multiple compression, priced in, who is buying this, no
respect, stink, stinks, stunk, overrated, dog, pig, sinking ship, sinking, titanic, dumpster,
dumpster fire, landfill, lame, weak sauce, nobody wants, no buyers, running on fumes, smoke and
mirrors, accounting games, cooking the books, cooked books, debt bomb, desperate, desperation,
pray, praying, graveyard, cliff, vomit, barf, lighten up, lightened, lightened up, protect
profits, raise cash, raising cash, to cash, head fake, fakeout, fake breakout, failed breakout,
distribution, distributing, heavy, stalling, stuck, stuck here, careful, be careful, caution,
risky, beware, greedy, fomo, euphoria, euphoric, complacent, complacency, support is gone, gave
back, giving back, gives back, flatlining, catch a break, can not catch a break, ice cold, burned
me, killing me, tired of, sick of, fed up, done with this, unload, unloaded, unloading, dumped the
rest, steps down, stay short, staying short, still short, remain short, short it, short this, sell
it, sell this, sold it, sold all, sold mine, sold my, sold the rest, sold half, reduced my, no
reason to own, why own, why would anyone, who would buy, overowned, insane valuation, insane
multiple, valuation is insane, fake, was fake, hate to see it, own way, get out of their own way,
can not get out of their own way, spot on, too late to chase, winter, crypto winter, no profits,
no profits ever, losing money, sellers leave, incoming recall, bomb, is over, growth is over,
closed my position, sold my position, offering soon, cash is running out"""
# What traders say in passing; a part of it would count otherwise.
PASSING = """long weekend, long term, long time, so long, how long, as long as, conference call,
earnings call, the call, call at, call is, call link, call starts, calls for, margin call, short
term, short interest, short list, days to cover, short week, short vol, for short, good luck, good
luck to all, good morning, good night, good evening, good weekend, great weekend, nice day, happy
friday, happy monday, happy holidays, buy or sell, buy sell or hold, long or short, calls or puts,
puts or calls, bulls or bears, bull or bear, red or green, green or red, hold or sell, puts and
calls, calls and puts, put call ratio, bid ask, bid and ask, buy side, sell side, run down,
rundown, is out, are out, come out, comes out, came out, check out, find out, turn out, figure
out, watch out for, out now, out tomorrow, out on, out at, out for, over the, over at, over here,
top mentions, top 10, top 5, top gainers, top losers, top movers, what everyone, call transcript,
earnings call transcript, biggest moves, stocks making, most active, best buy, black friday, red
hat, bull case and bear case, over under, crossing over, hold my, on hold, hold a, hold the,
holding company, holding its, sold at, sold for, in stock, all in all, super bowl, moonshot lab,
extended hours, extended trading, stop loss, put out, puts out, bought out, add to watchlist,
added to watchlist, adding to watchlist, added to my watchlist, added to the watchlist, squeeze
out, top line, bottom line, bull put, bear call, covered call, covered calls, run rate, run by, in
love with the, over time, overtime, dead line, extended its, extended the, done with, over the
weekend, over the counter, top story, top stories, live stream, no position, trading halted, is
down for, app is down, down for maintenance, up for, up now, list is up, is up on, drops at, drops
on, record label, own it or, heavy on, heavy duty, next resistance, hot dog, hot dogs, dog food,
vehicles sold, cars sold, units sold, homes sold, stake sold, call slides, earnings slides,
slides, slide deck, line up, lineup, market wrap, gap to fill, winter olympics, how much higher,
up or down, higher or lower, rise or fall, bottom or top"""

_CROWDS = {"bears": 1.0, "shorts": 1.0, "shorties": 1.0, "bulls": -1.0, "longs": -1.0}
_LINKS = (
    "", "are ", "get ", "got ", "getting ", "are getting ", "are about to get ", "about to get ",
    "about to be ", "gonna get ", "gonna be ", "will get ", "will be ", "in ",
)  # fmt: skip
_FATES = (
    "crushed", "killed", "squeezed", "trapped", "burned", "burnt", "wrecked", "rekt", "destroyed",
    "smoked", "slaughtered", "steamrolled", "panicking", "scared", "in pain", "pain", "in trouble",
    "trouble", "toast", "sweating", "hurting", "run over", "cooked", "done", "crying", "underwater",
    "torched", "roasted", "punished", "massacred", "nervous", "disbelief", "worried",
)  # fmt: skip
# "Bears getting crushed" is what holders want to read.
FATES_OF_CROWDS: dict[str, float] = {
    f"{crowd} {link}{fate}": sign
    for (crowd, sign), link, fate in product(_CROWDS.items(), _LINKS, _FATES)
}
FATES_OF_CROWDS |= dict.fromkeys(
    ("shorts covering", "shorts cover", "shorts covered", "bears covering", "short covering",
     "short squeeze", "short sellers squeezed", "short sellers about to be squeezed",
     "squeezing shorts", "squeezes shorts", "shorts have to cover", "shorts must cover"),
    1.0,
)  # fmt: skip
# Rocket, rising chart, bull, diamond, green dot ...; falling chart, bear, red dot ...
EMOJI = {
    "\U0001f680": 1.0, "\U0001f4c8": 1.0, "\U0001f402": 1.0, "\U0001f48e": 0.7, "\U0001f7e2": 0.7,
    "\U0001f911": 0.7, "\U0001f4aa": 0.7, "\U0001f525": 0.5, "\U0001f4c9": -1.0, "\U0001f43b": -1.0,
    "\U0001f534": -0.7, "\U0001f4a9": -1.0, "\U0001f921": -0.8, "\U0001f480": -0.7,
    "\U0001f62d": -0.6,
}  # fmt: skip
