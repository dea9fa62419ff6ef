package tools

// Help is what "shopping-cart token --help" says beside the flags.
func (*Token) Help() string {
	return `Examples:

  TOKEN=$(shopping-cart token --admin)                       an operator, for a day
  shopping-cart token --scope pricing --ttl 1h               a service that sets taxes and discounts
  shopping-cart token --subject ada --ttl 15m                a customer, as shops sign in their own
  shopping-cart token --admin --json | jq -r .expires_at     with what is in it

It reads the same settings as the server (AUTH_SECRET, or the one generated in DATA_DIR), so run it where the server runs.

Exit status: 0 printed, 1 there is no secret to sign with: no server has run with these settings.`
}

// Help is what "shopping-cart replay --help" says beside the flags.
func (*Replay) Help() string {
	return `Examples:

  shopping-cart replay docs/data/online-retail-sample.csv.gz
  shopping-cart replay invoices.csv --concurrency 128
  shopping-cart replay invoices.csv --json | jq .agrees

Every invoice becomes a cart, is checked out and paid for; then the orders and the provider's ledger are read back and must agree with the file
to the penny. Each run plays under guests and keys of its own and may be repeated. Wants a server that takes payments with the simulator.

Exit status: 0 they agree, 1 they do not, or the server is not there.`
}

// Help is what "shopping-cart health --help" says beside the flags.
func (*Health) Help() string {
	return `Examples:

  shopping-cart health                                       the server of these settings
  shopping-cart health --base-url http://shop-1:8080 --json
  HEALTHCHECK CMD ["shopping-cart", "health"]                in a Dockerfile

It says which server is ready, or why it is not.

Exit status: 0 it can serve, 1 it cannot, or is not there.`
}

// Help is what "shopping-cart verify --help" says beside the flags.
func (*Verify) Help() string {
	return `Examples:

  shopping-cart verify                                       what is wrong, each with its remedy
  shopping-cart verify --heal                                and mend what is beyond doubt
  shopping-cart verify --heal=refund-lost                    and refund captures that nobody here knows: after a restore
  shopping-cart verify --json | jq '.data[].id'

The server may be busy: what was touched within the last minute is left out. What each finding means, and what a person does about it, is in
docs/operations.md.

Exit status: 0 every promise is kept, 2 some are not, 1 it could not be found out.`
}
