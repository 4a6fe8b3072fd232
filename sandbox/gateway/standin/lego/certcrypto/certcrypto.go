// Package certcrypto stands in for the choice of key types.
package certcrypto

// KeyType names a kind of private key.
type KeyType string

// Key types that the configuration can name.
const (
	EC256   KeyType = "EC256"
	EC384   KeyType = "EC384"
	RSA2048 KeyType = "RSA2048"
	RSA4096 KeyType = "RSA4096"
	RSA8192 KeyType = "RSA8192"
)
