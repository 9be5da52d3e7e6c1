"""Lines of financial news of our own, labelled by rules that were written down first.

1. A line is read as the holder of the share (or of the market) it is about reads it.
2. "+" and "-": the line itself says that something got, or will get, better or worse,
   that a forecast was passed or missed, or that the price moved. "0": it states a fact,
   a date, a figure without a direction, or good and bad of the same weight.
3. A smaller loss, cost or debt is "+"; a dearer input, a fine, a lawsuit is "-".
4. What the price did outweighs the reason that is given for it.
5. Plans and proposals without an effect on profit are "0".
6. A rating or a target that is raised is "+", lowered "-", kept "0".

HEADLINES, REPORTS and POSTS served to mend the lexicon after a first reading (macro-F1
0.90, 0.91 and 0.87 then). HELD_OUT was written afterwards, asked once, and changed nothing.
"""

from ops_pipeline.domain.news.items import Label

LABELS: dict[str, Label] = {"+": "positive", "-": "negative", "0": "neutral"}


HEADLINES = """
+ Harbor Foods lifts full-year profit forecast after strong quarter
+ Chipmaker tops Wall Street expectations on data center demand
+ Retailer's same-store sales rise more than expected
+ Airline swings to profit as fuel costs fall
+ Drugmaker wins approval for heart treatment
+ Bank's loan losses shrink for a third quarter
+ Steelmaker narrows loss, sees recovery next year
+ Software group raises dividend by 10%
+ Shares of toy maker jump 9% on holiday sales
+ Court dismisses lawsuit against railway
+ Brokerage upgrades brewer to overweight
+ Carmaker deliveries hit record high in March
+ Insurer announces $2 billion share buyback
+ Oil producer cuts debt ahead of schedule
+ Analysts raise price targets after solid results
+ Index futures climb as inflation cools
+ Jobless claims fall to six-month low
+ Telecom operator adds more subscribers than forecast
+ Miner secures supply deal with battery maker
+ Regulator clears merger of two hospital chains
- Harbor Foods cuts full-year profit forecast
- Chipmaker misses revenue estimates as demand weakens
- Retailer warns on holiday quarter
- Airline posts wider loss on higher fuel costs
- Drugmaker halts trial after patient deaths
- Bank sets aside more for bad loans
- Steelmaker to close two plants and cut 1,200 jobs
- Software group's growth slows to lowest in a decade
- Shares of toy maker sink 12% after weak guidance
- Regulator fines lender $80 million over misleading clients
- Brokerage downgrades brewer to sell
- Carmaker recalls 300,000 vehicles over faulty brakes
- Insurer hit by storm claims
- Oil producer suspends dividend as prices slump
- Analysts slash targets after disappointing results
- Stocks tumble as recession fears grow
- Unemployment rises to highest in four years
- Telecom operator loses customers to rivals
- Miner declares force majeure after flood, output to drop
- Antitrust regulator sues to block merger
- Profit falls 23% at furniture chain
- Chief executive ousted amid accounting probe
0 Harbor Foods to report results on Tuesday
0 Chipmaker names new finance chief
0 Retailer opens its first store in Norway
0 Airline to hold annual meeting in May
0 Drugmaker presents at health conference
0 Bank keeps interest rate unchanged
0 Steelmaker and union begin talks
0 Software group moves headquarters to Austin
0 Toy maker unveils autumn line
0 Brokerage reiterates hold rating on brewer
0 Carmaker shows electric van at motor show
0 Insurer appoints two directors
0 Oil producer publishes annual report
0 Five things to know before the market opens
0 Telecom operator renews website
0 Miner issues notice of general meeting
0 Quarterly revenue in line with estimates
0 Central bank governor to speak at 10 am
0 What investors should watch this week
0 Company files registration statement
"""

REPORTS = """
+ Operating profit increased to EUR 14.2 mn from EUR 11.9 mn in the corresponding period.
+ Net sales grew by 7 % year on year to USD 310 million.
+ The loss for the period narrowed to EUR 0.4 mn, compared with EUR 2.1 mn a year ago.
+ Earnings per share were EUR 0.41, up from EUR 0.33.
+ The order backlog was clearly higher than at the end of the previous year.
+ Pretax profit totalled EUR 9.0 mn, compared to a loss of EUR 1.2 mn in 2008.
+ The company has been awarded a EUR 30 mn contract by the city of Oslo.
+ Cost savings improved the operating margin.
+ Gross margin improved to 34 percent from 31 percent.
+ The group expects its full-year operating profit to exceed last year's.
+ Cash flow from operations strengthened significantly.
+ Market share in Poland increased.
+ The agreement will double the plant's capacity utilisation and lower unit costs.
+ Demand for packaging remained strong throughout the quarter.
- Operating profit decreased to EUR 6.1 mn from EUR 8.8 mn in the corresponding period.
- Net sales fell by 12 % year on year.
- The loss for the period widened to EUR 5.4 mn, from EUR 2.1 mn.
- Earnings per share were EUR 0.21, down from EUR 0.33.
- The order intake was clearly lower than in the previous year.
- Pretax loss totalled EUR 3.0 mn, compared to a profit of EUR 1.2 mn in 2008.
- The company will lay off 90 employees at its mill.
- Raw material costs rose and weakened profitability.
- Gross margin declined to 28 percent from 31 percent.
- The group no longer expects to reach its targets for the year.
- An impairment charge of EUR 20 mn was booked on the Baltic business.
- Sales in Russia did not develop as expected.
- Deliveries were delayed because of a shortage of components.
- Demand for office space continued to weaken.
0 Net sales totalled EUR 87 mn in the period.
0 The company's headquarters is located in Turku.
0 The annual general meeting will be held on 3 April.
0 The board proposes a dividend of EUR 0.30 per share.
0 The contract is valid for five years.
0 The group has operations in 14 countries and employs 3,200 people.
0 Financial terms of the transaction were not disclosed.
0 The plant produces paper for magazines.
0 The acquisition is subject to approval by the authorities.
0 The total value of the order is not disclosed.
0 The shares will be entered in the trade register on 5 May.
0 The new share capital amounts to EUR 12 million.
0 The interim report will be published at 8.00 am.
0 The office building has a floor area of 12,000 square metres.
"""

POSTS = """
+ $AAPL breaking out above resistance, looks great
+ $TSLA calls printing today, going higher
+ Long $AMD here, strong chart
+ $NVDA beats on top and bottom line, guidance raised
+ bought the dip in $MSFT, very bullish
+ $BA up 4% premarket on big order
+ $NFLX upgraded to buy at Jefferies, target raised to $700
+ $XOM hits new 52-week high
+ $DIS rally isn't over
+ Short squeeze in $GME, shorts covering
- $AAPL rejected at resistance again, looks weak
- $TSLA puts printing, going lower
- Short $AMD here, ugly chart
- $NVDA misses on revenue, stock tanking after hours
- sold all my $MSFT, bearish into earnings
- $BA down 4% premarket on inspection news
- $NFLX downgraded to sell, target cut to $300
- $XOM breaks below support
- $DIS is a sinking ship
- $INTC dead money, no growth at all
0 $AAPL earnings after the close tomorrow
0 watching $TSLA for the open
0 $AMD conference call starts in ten minutes
0 what does everyone think of $NVDA here?
0 $MSFT trading at 24 times earnings
0 $BA investor day is on Thursday
0 $NFLX flat on the day
0 $XOM ex-dividend date is Friday
0 new position sizes for the week, list below
0 $DIS chart for the weekend
"""

HELD_OUT = """
+ Grocer's online orders surge as shoppers stay home
+ Engine maker back in profit after two lean years
+ Biotech soars on promising trial data
+ Lender's bad-debt charge drops by half
+ Cruise line pays off its emergency loan early
+ Cement group sees better margins on cheaper energy
+ Yields slide, giving homebuilders a lift
+ Watchdog drops probe into asset manager
+ Hotel chain reports fullest summer since 2019
+ Ratings agency lifts outlook on port operator to stable
+ Turnover rose to EUR 44 mn, and the result before taxes turned positive.
+ Comparable operating profit was EUR 3.9 mn (EUR 2.7 mn).
+ The order strengthens the company's position in the Nordic market.
+ Thanks to lower interest expenses, net financial items improved.
+ The company reached an agreement that ends the strike at its mill.
+ $SHOP ripping, new highs incoming
+ $JPM crushed it, raising my target
+ loaded up on $KO calls, easy money
- Grocer's shares slide after price war eats into profits
- Engine maker delays delivery of new model again
- Biotech plunges after drug fails late-stage trial
- Lender braces for surge in defaults
- Cruise line burns through cash as bookings dry up
- Cement group idles kilns on poor demand
- Trade tensions drag exporters to six-week low
- Watchdog widens probe into asset manager
- Hotel chain's occupancy slumps to 41 percent
- Ratings agency cuts port operator to junk
- Turnover declined to EUR 38 mn, and the result before taxes turned negative.
- Comparable operating profit was EUR 1.9 mn (EUR 2.7 mn).
- The company has decided to discontinue production in Estonia, affecting 60 jobs.
- Exchange rate losses burdened the result.
- The weak market situation reduced delivery volumes.
- $SHOP getting smoked, lower lows incoming
- $JPM ugly quarter, I'm out
- dumping my $KO here, chart is broken
0 Grocer to trial smaller stores in three cities
0 Engine maker's chairman will not stand again
0 Biotech to present data at October meeting
0 Lender sells headquarters building to pension fund
0 Cruise line orders two ships for delivery in 2029
0 Cement group splits role of chairman and chief executive
0 Traders await minutes of central bank meeting
0 Watchdog publishes guidance for asset managers
0 Hotel chain adds breakfast brand
0 Ratings agency affirms port operator
0 Turnover in 2009 was EUR 38 mn.
0 The financial statements will be released at about 9 am.
0 The companies have agreed not to disclose the price.
0 Proceeds will be used for general corporate purposes.
0 The investment is worth some EUR 6 mn and will be completed in autumn.
0 $SHOP reports Wednesday before the bell
0 anyone holding $JPM through earnings?
0 $KO options volume 40,000 so far today
"""


def macro_f1(pairs: list[tuple[Label, Label]]) -> float:
    """The mean F1 of the three labels; pairs are (right, given)."""
    scores = []
    for label in LABELS.values():
        hits = sum(right == given == label for right, given in pairs)
        named = sum(right == label for right, _ in pairs) + sum(
            given == label for _, given in pairs
        )
        scores.append(2 * hits / named)
    return sum(scores) / len(scores)
