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

// Client is the value of "client" (EIP-7636).
type Client struct {
	Name, Version, Build string // Build may be empty
}

// String returns name, version and build, separated by slashes.
func (c Client) String() string {
	s := c.Name
	for _, part := range []string{c.Version, c.Build} {
		if part != "" {
			s += "/" + part
		}
	}
	return s
}

// Client returns the value of "client". The texts are what the node claims: any bytes. Elements
// behind the third one are ignored.
func (v View) Client() (c Client, ok bool) {
	value, ok := v.Get(keyClient)
	if !ok {
		return c, false
	}
	fields, _, err := rlp.List(value)
	if err != nil {
		return c, false
	}
	for i, to := range []*string{&c.Name, &c.Version, &c.Build} {
		if len(fields) == 0 && i > 0 {
			break
		}
		var s []byte
		if s, fields, err = rlp.String(fields); err != nil {
			return Client{}, false
		}
		*to = string(s)
	}
	return c, true
}

// SetClient sets "client".
func (b *Builder) SetClient(c Client) *Builder {
	fields := rlp.AppendString(rlp.AppendString(nil, []byte(c.Name)), []byte(c.Version))
	if c.Build != "" {
		fields = rlp.AppendString(fields, []byte(c.Build))
	}
	return b.Set(keyClient, append(rlp.AppendListHeader(nil, len(fields)), fields...))
}
