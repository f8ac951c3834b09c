package fleet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/fastdisc/discv5/enr"
)

// MinSecret is the smallest size of LeaseConfig.Secret in bytes. It must be random: nothing slows
// down somebody who tries many.
const MinSecret = 32

// A sealed key is salt, nonce and ciphertext with tag: AES-256-GCM, with a key that HKDF-SHA256
// derives from the secret.
const (
	saltSize  = 16
	nonceSize = 12
	gcmTag    = 16
)

// sealer returns the cipher for a salt. The name of the identity is part of the derivation, so a
// sealed key cannot be moved to another one.
func sealer(secret []byte, identity string, salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, salt, "discv5 fleet: key of identity "+identity, 32)
	if err != nil {
		panic("fleet: derive a key: " + err.Error()) // the length is fixed
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("fleet: AES: " + err.Error()) // the size is fixed
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("fleet: GCM: " + err.Error()) // AES has the right block size
	}
	return aead
}

// seal encrypts a key.
func seal(secret []byte, identity string, key *enr.PrivateKey) []byte {
	out := make([]byte, saltSize+nonceSize, saltSize+nonceSize+enr.PrivateKeySize+gcmTag)
	_, _ = rand.Read(out) // never fails
	scalar := key.Bytes()
	defer clear(scalar[:])
	return sealer(secret, identity, out[:saltSize]).Seal(out, out[saltSize:], scalar[:], nil)
}

// open decrypts a key. The error wraps ErrIdentity.
func open(secret []byte, identity string, sealed []byte) (*enr.PrivateKey, error) {
	if len(sealed) != saltSize+nonceSize+enr.PrivateKeySize+gcmTag {
		return nil, fmt.Errorf("%w: the key in the store has %d bytes", ErrIdentity, len(sealed))
	}
	salt, nonce, text := sealed[:saltSize], sealed[saltSize:saltSize+nonceSize], sealed[saltSize+nonceSize:]
	scalar, err := sealer(secret, identity, salt).Open(nil, nonce, text, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the secret does not open the key in the store", ErrIdentity)
	}
	defer clear(scalar)
	key, err := enr.ParsePrivateKey(scalar)
	if err != nil {
		return nil, fmt.Errorf("%w: the key in the store: %w", ErrIdentity, err)
	}
	return key, nil
}
