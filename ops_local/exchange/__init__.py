"""The paper exchange: a broker and a market of their own, over one recorded day.

A separate process with a separate store, so that a kill of the pipeline never takes
the broker's truth with it. The real alpaca-py client talks to it over HTTP. Its clock
stands still until somebody moves it; see docs/decisions/0003-paper-exchange.md.
"""
