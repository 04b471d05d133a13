"""The auction rule, what a bid pays by it now, and what it will pay. Pure: prices are given, nothing is fetched.

units.py        dollars and hours: constants, rounding, how people read them
auction.py      the rule: a book -> winners and their price
billing.py      what a bid was billed, and what was done to it
entry.py        the prices of this moment -> what a bid costs per hour
competition.py  the same of several of your own bids in one auction
slices.py       past prices, cut into parts of the time
history.py      the past prices of an auction, prepared once, and what a bid would have met on each past path
forecasting.py  a prepared past, a limit, a horizon -> cost, availability, preemptions, finish, each as a band
sums.py         forecasts -> what a stack costs, before and after
advice.py       the smallest limit that keeps a bid running
offers.py       what the auctions offer: price now, what one instance would pay, what is ahead
track_record.py forecasts that were made, and what was paid -> how well they held
"""
