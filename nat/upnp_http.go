package nat

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/huin/goupnp"
)

// Bounds of HTTP with a gateway.
const (
	httpTimeout  = 4 * time.Second // of one request, including its body
	maxBody      = 256 << 10       // bytes; descriptions usually have 30 KiB
	maxHeader    = 16 << 10
	maxXMLTokens = 10000 // start, text and end of an element count once each
)

// httpTransport speaks HTTP with one gateway during one attempt: no proxy, no redirects, no
// compression, no connection reuse, bounded bodies.
type httpTransport struct {
	base     *http.Transport
	tooLarge atomic.Bool // a body was too large; the SOAP library drops that error
}

func newHTTPTransport() *httpTransport {
	return &httpTransport{base: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: httpTimeout}).DialContext,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}}
}

// client returns an HTTP client that uses t.
func (t *httpTransport) client() http.Client {
	return http.Client{
		Transport:     t,
		Timeout:       httpTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip bounds the body of the response.
func (t *httpTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{body: resp.Body, left: maxBody, cut: &t.tooLarge}
	}
	return resp, err
}

type boundedBody struct {
	body io.ReadCloser
	left int
	cut  *atomic.Bool
}

// Read returns ErrTooLarge if the body is longer than the limit.
func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1] // one byte more, to detect a longer body
	}
	n, err := b.body.Read(p)
	if n > b.left {
		b.cut.Store(true)
		n, b.left = b.left, 0
		return n, ErrTooLarge
	}
	b.left -= n
	return n, err
}

// Close closes the body of the response.
func (b *boundedBody) Close() error { return b.body.Close() }

// describe fetches the description of a device.
func describe(ctx context.Context, t *httpTransport, d device) (*goupnp.RootDevice, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.location.String(), nil)
	if err != nil {
		return nil, bad(err)
	}
	client := t.client()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoAnswer, printable(err.Error()))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", ErrBadAnswer, resp.StatusCode)
	}
	root := new(goupnp.RootDevice)
	dec := xml.NewTokenDecoder(&boundedTokens{dec: xml.NewDecoder(resp.Body), left: maxXMLTokens})
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	err = dec.Decode(root)
	switch {
	case t.tooLarge.Load():
		return nil, fmt.Errorf("%w: description above %d bytes", ErrTooLarge, maxBody)
	case errors.Is(err, ErrTooLarge):
		return nil, fmt.Errorf("%w: description above %d XML tokens", ErrTooLarge, maxXMLTokens)
	case err != nil:
		return nil, bad(err)
	}
	root.SetURLBase(d.location) // a URLBase in the description could lead anywhere
	return root, nil
}

// boundedTokens bounds the cost of a description: each element becomes a structure of several
// kilobytes.
type boundedTokens struct {
	dec  *xml.Decoder
	left int
}

// Token returns the next token.
func (b *boundedTokens) Token() (xml.Token, error) {
	if b.left--; b.left < 0 {
		return nil, ErrTooLarge
	}
	return b.dec.RawToken()
}
