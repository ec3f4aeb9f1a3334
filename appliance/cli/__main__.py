"""`python -m appliance.cli`: the same as `twinpost`; node starts its services so."""

from appliance.cli.main import main

main()
