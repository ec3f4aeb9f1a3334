# twinpost for everybody who logs in.
PATH=$PATH:/opt/twinpost/current/venv/bin
