"""Every call of the mithril-client bindings that a user of spot bids makes. Run with that client's own interpreter.

The bindings parse strictly: an answer that lacks a required field, or holds an unknown enum, raises here.
"""

from importlib import import_module

from mithril.api.bindings import AuthenticatedClient, models
from mithril.config import load_config

config = load_config()
client = AuthenticatedClient(base_url=config.api_url, token=config.api_key)


def call(binding, status, /, *ids, **given):
    """The parsed answer of a binding ("volumes.create_volume_v2_volumes_post")."""
    answer = import_module(f"mithril.api.bindings.api.{binding}").sync_detailed(*ids, client=client, **given)
    assert answer.status_code == status, (binding, answer.status_code, answer.content)
    print("ok", status, binding)
    return answer.parsed


(project,) = call("projects.get_projects_v2_projects_get", 200)
call("profile.get_me_v2_me_get", 200)
call("profile.get_my_teammates_v2_me_teammates_get", 200)
call("image_versions.get_image_versions_v2_image_versions_get", 200)
call("instance_types.get_instance_types_v2_instance_types_get", 200)
call("spot.get_auctions_v2_spot_availability_get", 200)
call("quotas.get_quotas_v2_quotas_get", 200, project=project.fid)
h100 = "it_5ECSoHQjLBzrp5YM"
prices = call("pricing.get_current_prices_v2_v2_pricing_current_get", 200, instance_type=h100, region="us-central1-b")
assert prices.spot_price_cents == 800, prices
history = call("pricing.get_historical_prices_v2_v2_pricing_history_get", 200, instance_types=h100, num_samples=-1)
assert len(history.series) == 4, history

key = call(
    "ssh_keys.create_ssh_key_v2_ssh_keys_post",
    201,
    body=models.CreateSshKeyRequest.from_dict({"project": project.fid, "name": "made"}),
)
assert key.private_key
assert key.fid in [row.fid for row in call("ssh_keys.get_ssh_keys_v2_ssh_keys_get", 200, project=project.fid)]

body = {"name": "data", "project": project.fid, "disk_interface": "File", "region": "us-central1-b", "size_gb": 10}
volume = call("volumes.create_volume_v2_volumes_post", 201, body=models.CreateVolumeRequest.from_dict(body))
call(
    "volumes.update_volume_v2_volumes_volume_fid_patch",
    200,
    volume.fid,
    body=models.UpdateVolumeRequest.from_dict({"name": "renamed"}),
)
(listed,) = call("volumes.get_volumes_v2_volumes_get", 200, project=project.fid)
assert (listed.name, listed.capacity_gb) == ("renamed", 10)

bid = call(
    "spot.create_bid_v2_spot_bids_post",
    201,
    body=models.CreateBidRequest.from_dict(
        {
            "project": project.fid,
            "region": "us-central1-b",
            "instance_type": h100,
            "limit_price": "$17.92",
            "instance_quantity": 1,
            "name": "bound",
            "launch_specification": {"volumes": [volume.fid], "ssh_keys": [key.fid]},
        }
    ),
)
call("volumes.delete_volume_v2_volumes_volume_fid_delete", 409, volume.fid)
(placed,) = call("spot.get_bids_v2_spot_bids_get", 200, project=project.fid, name="bound").data
assert placed.status.value == "Allocated", placed
call("spot.get_bid_v2_spot_bids_bid_fid_get", 200, bid.fid)
call("spot.get_bid_status_v2_spot_bids_bid_fid_status_get", 200, bid.fid)
(instance,) = call("instances.get_instances_v2_instances_get", 200, project=project.fid).data
call("instances.get_instance_status_v2_instances_instance_fid_status_get", 200, instance.fid)
for change in ({"limit_price": "$20.00"}, {"paused": True}, {"volumes": []}, {"paused": False}):
    call("spot.update_bid_v2_spot_bids_bid_fid_patch", 200, bid.fid, body=models.UpdateBidRequest.from_dict(change))
call("spot.get_bid_history_v2_spot_bids_bid_fid_history_get", 200, bid.fid)
call("reservations.get_reservations_v2_reservation_get", 200, project=project.fid)
expiring = models.CreateApiKeyRequest.from_dict({"name": "ci", "expires_at": "2027-01-01T00:00:00Z"})
made = call("api_keys.create_api_key_v2_api_keys_post", 201, body=expiring)
assert made.secret.startswith("fkey_")
(row,) = call("api_keys.get_api_keys_v2_api_keys_get", 200)
assert (row.fid, row.snippet) == (made.fid, made.snippet)
call("api_keys.revoke_api_key_v2_api_keys_key_fid_delete", 204, made.fid)
(row,) = call("api_keys.get_api_keys_v2_api_keys_get", 200)
assert row.deactivated_at
call("spot.cancel_bid_v2_spot_bids_bid_fid_delete", 204, bid.fid)
call("volumes.delete_volume_v2_volumes_volume_fid_delete", 204, volume.fid)
call("ssh_keys.delete_ssh_key_v2_ssh_keys_ssh_key_fid_delete", 204, key.fid)
