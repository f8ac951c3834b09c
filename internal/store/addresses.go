package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"github.com/fastdisc/discv5/enr"
)

var bucketAddresses = []byte("addresses")

// Addresses returns the last saved state of the own addresses of id, or nil. Only the program that
// saved it knows its format.
func (s *Store) Addresses(id enr.ID) (b []byte, err error) {
	err = s.do(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if bucket := tx.Bucket(bucketAddresses); bucket != nil {
				b = bytes.Clone(bucket.Get(id[:]))
			}
			return nil
		})
	})
	return b, err
}

// SaveAddresses saves the state of the own addresses of id. It deletes those of identities without
// a record in the file.
func (s *Store) SaveAddresses(id enr.ID, b []byte) error {
	return s.do(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists(bucketAddresses)
			if err != nil {
				return err
			}
			var gone [][]byte
			err = bucket.ForEach(func(k, _ []byte) error {
				if tx.Bucket(bucketLocal).Get(k) == nil {
					gone = append(gone, bytes.Clone(k))
				}
				return nil
			})
			if err != nil {
				return err
			}
			for _, k := range gone {
				if err := bucket.Delete(k); err != nil {
					return err
				}
			}
			return bucket.Put(id[:], b)
		})
	})
}
