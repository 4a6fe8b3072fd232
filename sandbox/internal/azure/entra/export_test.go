package entra

// KeyDir holds signing keys for all tests of this package.
func KeyDir() string { return keyDir() }
