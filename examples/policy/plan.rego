# Rules over `flowplan plan --format json`, for OPA or conftest:
#   flowplan plan --out plan.json && conftest test plan.json --policy examples/policy
package main

import rego.v1

# A bid may cost at most this an hour, with every limit paid.
max_hourly := 50

# The bids that a plan places.
placed contains one if {
	some one in input.resource_changes
	one.type == "bid"
	"create" in one.change.actions
}

# And those that it raises or resumes in place: they too may cost more afterwards. What it lowers stays allowed.
dearer contains one if some one in placed

dearer contains one if {
	some one in input.resource_changes
	one.type == "bid"
	"update" in one.change.actions
	not lowered(one.change)
}

lowered(change) if worst(change.after) <= worst(change.before)

# Dollars an hour with every limit paid; undefined where the API does not report the limit or the quantity.
worst(bid) := 0 if bid.paused

worst(bid) := to_number(bid.limit_price) * bid.instance_quantity if {
	not bid.paused
	is_string(bid.limit_price)
}

deny contains message if {
	some one in dearer
	worst(one.change.after) > max_hourly
	message := sprintf("%s may cost $%v an hour; at most $%v is allowed", [one.address, worst(one.change.after), max_hourly])
}

deny contains message if {
	some one in input.resource_changes
	one.type == "volume"
	"delete" in one.change.actions
	message := sprintf("%s would be deleted, and its data with it", [one.address])
}

# What is unknown is not cheap.
deny contains message if {
	some one in dearer
	unknown(one)
	message := sprintf("%s has no known cost", [one.address])
}

unknown(one) if one.cost == null

unknown(one) if not worst(one.change.after)

deny contains "a plan that is incomplete is approved by nobody" if not input.complete

warn contains message if {
	some one in placed
	not one.lifetime
	message := sprintf("%s runs until somebody cancels it: give it a lifetime", [one.address])
}
