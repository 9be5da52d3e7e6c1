"""A second set of lines of our own, labelled by the rules of tests/unit/sentiment_lines.py.

Two rules more, written down before the first line was:
7. A report that gives last year's figure in brackets is "+" or "-" by the comparison.
8. A post is what its writer hopes for the price; a question or an announcement is "0".

HEADLINES, REPORTS and POSTS were asked once before the lexicon's second version was made
(macro-F1 0.77, 0.79 and 0.85 then) and served to mend it. LAST was written afterwards,
asked once, and changed nothing.
"""

HEADLINES = """
+ Tool maker's quarterly profit climbs 18% on export demand
+ Grain trader returns to the black after drought year
+ Paint company boosts buyback as cash piles up
+ Turbine builder lands record order from utility
+ Regional lender's bad loans ease for fifth quarter
+ Chip tester raises sales outlook, citing AI demand
+ Shares of cruise operator surge as bookings hit record
+ Rail operator settles pay dispute, averting strike
+ Judge tosses patent suit against medical device firm
+ Fertilizer prices rebound, lifting producers
+ Sportswear brand's inventory falls as sales pick up
+ Home sales rise for third month as mortgage rates dip
+ Dairy cooperative narrows its full-year loss
+ Payment processor wins contract with national grocer
+ Agency upgrades utility's debt to investment grade
+ Insurer's claims drop after mild winter
+ Carmaker beats delivery target for December
+ Drug cuts relapse risk by half in late-stage study
+ Stocks rally as trade deal eases worries
+ Furniture seller lifts margins with cheaper freight
+ Factory output grows faster than expected in May
+ Aircraft lessor sells out next year's slots at higher rates
+ Supermarket chain gains market share from discounters
+ Telecom firm to return $3 billion to shareholders
+ Lithium miner's costs come in below guidance
+ Broker lifts price target on hotel group to $90
+ Watchmaker says demand in China is recovering
+ Software vendor turns first annual profit
- Tool maker's quarterly profit slides 18% as exports stall
- Grain trader sinks into the red after drought year
- Paint company scraps buyback to save cash
- Turbine builder loses order to foreign rival
- Regional lender's bad loans mount for fifth quarter
- Chip tester trims sales outlook, citing weak phones
- Shares of cruise operator dive as storms cancel trips
- Rail workers walk out, halting freight traffic
- Jury orders medical device firm to pay $120 million
- Fertilizer prices slump, hitting producers
- Sportswear brand stuck with unsold stock
- Home sales drop to lowest since 2012
- Dairy cooperative slides deeper into loss
- Payment processor hit by data breach
- Agency cuts utility's debt to junk
- Insurer faces flood of claims after hailstorm
- Carmaker falls short of delivery target
- Drug fails to slow disease in late-stage study
- Stocks sink as tariff threat rattles markets
- Furniture seller's margins squeezed by freight costs
- Factory output shrinks more than expected
- Aircraft lessor writes down jets stranded abroad
- Supermarket chain loses ground to discounters
- Telecom firm halves dividend
- Lithium miner's costs overshoot guidance
- Broker slashes price target on hotel group
- Watchmaker says demand in China is drying up
- Finance chief quits after accounting errors found
- Short seller accuses battery start-up of fraud
- Plane maker grounds fleet after engine fault
0 Tool maker to publish quarterly figures on Monday
0 Grain trader moves its head office to Geneva
0 Paint company changes its name
0 Turbine builder and utility sign memorandum on research
0 Regional lender to open two branches
0 Chip tester hosts developer conference
0 Cruise operator christens new ship
0 Rail operator publishes summer timetable
0 Medical device firm nominates three directors
0 Explainer: how fertilizer prices are set
0 Sportswear brand signs tennis player
0 Economists split on next rate decision
0 Dairy cooperative elects chair
0 Payment processor to webcast its shareholder meeting
0 Agency leaves utility's rating as it was
0 Insurer publishes study on hail
0 Carmaker and union resume talks
0 Researchers to present study at cancer meeting
0 Stocks little changed ahead of jobs data
0 Furniture seller tests rental of desks
0 Calendar: what to expect in May
0 Aircraft lessor prices notes due 2031
0 Supermarket chain adds own-brand pasta
0 Telecom firm switches auditor
0 Lithium miner files technical report
0 Analysts meet hotel group on Thursday
"""

REPORTS = """
+ Operating profit rose to EUR 4.1 mn (EUR 3.2 mn).
+ Net sales totalled EUR 61.0 mn (EUR 54.8 mn in 2008).
+ Earnings per share amounted to EUR 0.52 (0.41).
+ Profit before taxes was EUR 7.7 million, compared with EUR 5.9 million the year before.
+ The operating loss was EUR 0.9 mn, down from EUR 2.6 mn.
+ The order book stood at EUR 120 mn, up 14 % from the end of June.
+ Profitability improved thanks to the savings programme.
+ The result turned to a profit of EUR 1.1 mn after a loss a year earlier.
+ The company raised its estimate of full-year net sales.
+ The new machine will raise capacity by 20 percent.
+ Utilisation of the mills was good throughout the period.
+ Interest-bearing net debt decreased by EUR 18 mn.
+ Personnel expenses fell following the reorganisation.
+ The deal strengthens the group's foothold in Sweden.
+ Passenger numbers grew 9.3 % in July.
+ Demand is expected to pick up in the second half.
+ We expect sales to be higher than last year.
+ The company won a five-year maintenance contract from the port.
+ Cash and cash equivalents increased to USD 44 million.
+ The equity ratio strengthened to 48 %.
+ The divestment results in a capital gain of EUR 6 mn.
+ The board proposes a higher dividend than last year.
+ Both volumes and prices developed favourably.
+ Return on capital employed was 17.2 % (14.9 %).
+ The loss narrowed clearly from the previous quarter.
- Operating profit fell to EUR 3.2 mn (EUR 4.1 mn).
- Net sales totalled EUR 54.8 mn (EUR 61.0 mn in 2008).
- Earnings per share amounted to EUR 0.41 (0.52).
- Profit before taxes was EUR 5.9 million, compared with EUR 7.7 million the year before.
- The operating loss was EUR 2.6 mn (EUR 0.9 mn).
- The order book stood at EUR 98 mn, down 14 % from the end of June.
- Profitability weakened because of higher energy prices.
- The result turned to a loss of EUR 1.1 mn after a profit a year earlier.
- The company lowered its estimate of full-year net sales.
- The paper machine will be shut down at the end of the year.
- Utilisation of the mills remained low throughout the period.
- Interest-bearing net debt grew by EUR 18 mn.
- Personnel expenses rose because of wage increases.
- Some 140 employees will be made redundant.
- Passenger numbers declined 9.3 % in July.
- Demand is expected to remain weak in the second half.
- We expect sales to be lower than last year.
- The customer has cancelled an order worth EUR 12 mn.
- Cash and cash equivalents decreased to USD 31 million.
- The equity ratio weakened to 38 %.
- The divestment results in a capital loss of EUR 6 mn.
- The board proposes that no dividend be paid.
- Both volumes and prices developed unfavourably.
- Return on capital employed was 14.9 % (17.2 %).
- The strike at the harbour burdened deliveries in March.
- The company has started negotiations to reduce its workforce.
0 The company manufactures cranes, hoists and winches.
0 The transaction is expected to close in the third quarter.
0 The shares carry the right to a dividend from 2010.
0 The group's products are sold in over 40 countries.
0 Ms. Lind has been with the company since 1998.
0 The plot covers some 4,500 square metres.
0 The contract period begins in January and ends in 2014.
0 The parties have agreed not to publish the price.
0 The financial review will be available on the website.
0 The company's registered office is in Tampere.
0 Net sales of the acquired business were EUR 9 mn in 2009.
0 The delivery will take place during the spring.
0 The bonds will be listed in Luxembourg.
0 The system will be installed in a new terminal.
0 The fund owns 31 % of the company's shares.
0 The work will employ about 60 people.
0 The name of the buyer was not given.
0 The extraordinary meeting elected five members to the board.
0 The vessel has room for 1,800 passengers.
0 Each option entitles its holder to one share.
0 The figures have not been audited.
0 The report covers the period from January to June.
0 The factory makes doors and windows.
0 The comparable figure for 2008 is not available.
"""

POSTS = """
+ $UBER ripping after hours on the beat
+ added more $GOOGL on this dip, cheap here
+ $COST just keeps making new highs
+ $PLTR breakout confirmed, next stop 40
+ $META crushed estimates, huge guide
+ love this setup in $CRM, going long
+ $SBUX finally bouncing off support
+ all in on $DKNG calls
+ $WMT strong hands only, this goes higher
+ $CAT squeezing shorts today
+ $TGT up big premarket
+ $AMAT upgraded, pt raised to 210
+ $ROKU bottom is in, loading up
+ $LLY to the moon
+ $F great quarter, raising dividend
+ $ADBE holding above the 200 day, bullish
+ took profits on $SHOP puts, flipping long
+ $MRK trial data looks excellent
+ $GM buyback is massive
+ $ORCL cloud numbers are insane, buyers everywhere
+ $CVX green all day
+ $INTC turnaround is real
- $UBER tanking after hours on the miss
- cut my $GOOGL position, this looks heavy
- $COST rolling over here
- $PLTR failed breakout, getting out
- $META missed, awful guide
- hate this chart in $CRM, staying short
- $SBUX losing support, next leg down
- all in on $DKNG puts
- $WMT weak hands are done, this goes lower
- $CAT bleeding all day
- $TGT down big premarket
- $AMAT downgraded, pt cut to 110
- $ROKU falling knife
- $LLY bubble is going to pop
- $F terrible quarter, dividend at risk
- $ADBE broke the 200 day, bearish
- stopped out of $SHOP for a loss
- $MRK trial flop
- $GM recall again, what a mess
- $ORCL sellers everywhere, avoid
- $CVX red all day
- $INTC overvalued garbage
0 $UBER reports tomorrow after the bell
0 what's the expected move for $GOOGL?
0 $COST membership fee unchanged
0 anyone else looking at $PLTR?
0 $META call at 5pm eastern
0 $CRM annual meeting notes in the thread
0 $SBUX new cup sizes lol
0 $DKNG options chain below
0 my watchlist: $WMT $CAT $TGT
0 $AMAT sideways all week
0 $ROKU implied vol into earnings
0 $LLY presenting at the conference now
0 $F ticker of the day
0 $ADBE closed where it opened
0 what time does $SHOP report?
0 $MRK ex-div on Friday
0 no position in $GM
0 $ORCL 10-K is out
0 $CVX trading near 150
0 who is holding $INTC overnight?
"""

LAST = """
+ Ferry operator's earnings top forecasts on summer traffic
+ Seed company wins import approval in Brazil
+ Pharma group's weight drug cuts heart attacks
+ Bus maker back to growth as cities order electric fleets
+ Coffee chain raises wages and still lifts profit goal
+ Data center landlord leases out entire campus
+ Rents charged by the company rose 4 % from the previous year.
+ EBITDA was EUR 12.4 mn (EUR 10.1 mn), or 14 % of net sales.
+ The company has received an order for two lifts from a hospital in Espoo.
+ Productivity developed better than planned.
+ The impairment was smaller than feared.
+ $HOOD nice base, breakout soon
+ $AVGO raised guide, stock flying
+ bulls in control of $DE
- Ferry operator's earnings trail forecasts as fuel bites
- Seed company told to stop sales in Brazil
- Pharma group ends trial of weight drug over side effects
- Bus maker files for protection from creditors
- Coffee chain shuts 60 stores
- Data center landlord's tenants walk away
- Rents charged by the company fell 4 % from the previous year.
- EBITDA was EUR 10.1 mn (EUR 12.4 mn), or 14 % of net sales.
- The company will temporarily lay off 30 people in Vaasa.
- Productivity developed worse than planned.
- The quarter was burdened by non-recurring expenses of EUR 3 mn.
- $HOOD lost the 50 day, looks bad
- $AVGO cut guide, stock sinking
- bears in control of $DE
0 Ferry operator repaints its fleet
0 Seed company moves closing of its books to June
0 Pharma group to speak at conference in Basel
0 Bus maker shows concept vehicle
0 Coffee chain tests cashless counters
0 Data center landlord appoints head of design
0 The company lets out some 900 flats.
0 EBITDA is not a measure under IFRS.
0 The lifts will be installed during the winter.
0 The general meeting is held at the company's premises.
0 The review period is April to June.
0 $HOOD investor call at nine
0 $AVGO, $DE and $HOOD on my screen today
0 is $DE reporting this week?
"""
