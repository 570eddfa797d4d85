# Everything is in ./dev; these are the names that fingers know.
.PHONY: check test deep format setup demo

check test deep format setup demo:
	@./dev $@
