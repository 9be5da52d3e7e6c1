"""The paper exchange: a broker and market data over one recorded day, in Alpaca's API.

It runs as its own process with its own store, so that killing its client never loses an
order, and the real alpaca-py client talks to it over HTTP. Its clock moves only when told
to. Nothing here imports the rest of the repository except `ops_pipeline.domain` and
`ops_local.recordings`. docs/paper-exchange.md is its manual.
"""
