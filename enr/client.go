package enr

import "github.com/fastdisc/discv5/internal/rlp"

// keyClient is the key of the client's name (EIP-7636).
const keyClient = "client"

// ClientName returns the name of the program that made the record: the first element of the value
// of "client", or the value itself if it is a string. The name is text of the owner's choice: it
// may have any bytes, up to the size of a record.
func (v View) ClientName() (name string, ok bool) {
	value, ok := v.Get(keyClient)
	if !ok {
		return "", false
	}
	if list, _, err := rlp.List(value); err == nil {
		value = list
	}
	b, _, err := rlp.String(value)
	return string(b), err == nil
}
