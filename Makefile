# What the README names: run, test, bench, and check for a quick look in between.

.PHONY: run test bench bench-readme check

# Builds the release and starts the daemon on its embedded simulator. Ctrl-C drains.
run:
	cargo run --release --locked -- run

# Everything that continuous integration runs.
test:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked
	$(MAKE) loom

# Checks the rings, the book slots and the wake-ups of the layout `split` under every interleaving.
.PHONY: loom
loom:
	RUSTFLAGS="--cfg loom" cargo test -p enigma-loom --locked

# Runs the benches, prints one table and writes target/bench/*.json.
bench:
	cargo bench --workspace --locked --benches

# Also writes the README's figures, from a tree without changes.
bench-readme:
	cargo bench --workspace --locked --bench tick_to_order -- --write-readme

# Formats, lints and types only.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
