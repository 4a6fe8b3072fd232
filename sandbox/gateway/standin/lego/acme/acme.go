// Package acme stands in for the ACME protocol's types.
package acme

// Account is what an ACME server would know about an account.
type Account struct{}

// ExtendedAccount is an account with its address.
type ExtendedAccount struct {
	Account
	Location string
}
