package engine

// AddressPinned reports whether PinAddress keeps the endpoint of a family, 4 or 6, as it is.
func (e *Engine) AddressPinned(family int) bool {
	i := 0
	if family == 6 {
		i = 1
	}
	return e.address.pinned[i].Load()
}
