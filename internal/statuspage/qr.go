package statuspage

import (
	"fmt"
	"strings"

	goqr "github.com/piglig/go-qr"
)

// qrBorder is the quiet zone around a QR code, in modules.
const qrBorder = 4

// qrCode is a QR code for the template.
type qrCode struct {
	Size int    // with the border, in modules
	Path string // of SVG: the dark modules, as lines of width 1
}

// newQRCode returns the QR code of a text. A record always fits.
func newQRCode(text string) (qrCode, error) {
	q, err := goqr.EncodeText(text, goqr.Low)
	if err != nil {
		return qrCode{}, fmt.Errorf("make the QR code: %w", err)
	}
	var b strings.Builder
	for y := range q.Size() {
		at := 0 // the pen
		for x := 0; x < q.Size(); x++ {
			if !q.Module(x, y) {
				continue
			}
			end := x
			for end < q.Size() && q.Module(end, y) {
				end++
			}
			if at == 0 {
				fmt.Fprintf(&b, "M%d %d.5", x+qrBorder, y+qrBorder)
			} else {
				fmt.Fprintf(&b, "m%d 0", x-at)
			}
			fmt.Fprintf(&b, "h%d", end-x)
			at, x = end, end
		}
	}
	return qrCode{q.Size() + 2*qrBorder, b.String()}, nil
}
