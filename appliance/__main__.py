"""`python -m appliance`: the engine."""

from appliance.app.daemon import main

if __name__ == "__main__":
    raise SystemExit(main())
