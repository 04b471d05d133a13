# Rules over `flowplan plan --format json`, for OPA or conftest:
#   flowplan plan --out plan.json && conftest test plan.json --policy examples/policy
package main

import rego.v1

# A bid may cost at most this an hour, with every limit paid.
max_hourly := 50

# What a plan does that costs money, or loses data.
placed contains one if {
	some one in input.resource_changes
	"create" in one.change.actions
}

deny contains message if {
	some one in placed
	one.type == "bid"
	bid := one.change.after
	worst := to_number(bid.limit_price) * bid.instance_quantity
	worst > max_hourly
	message := sprintf("%s may cost $%v an hour; at most $%v is allowed", [one.address, worst, max_hourly])
}

deny contains message if {
	some one in input.resource_changes
	one.type == "volume"
	"delete" in one.change.actions
	message := sprintf("%s would be deleted, and its data with it", [one.address])
}

# What is unknown is not cheap.
deny contains message if {
	some one in placed
	one.type == "bid"
	one.cost == null
	message := sprintf("%s has no known cost", [one.address])
}

deny contains "a plan that is incomplete is approved by nobody" if not input.complete

warn contains message if {
	some one in placed
	one.type == "bid"
	not one.lifetime
	message := sprintf("%s runs until somebody cancels it: give it a lifetime", [one.address])
}
