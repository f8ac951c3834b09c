package nat

import (
	"context"
	"errors"
)

// finder searches for a gateway. It changes nothing on the gateway.
type finder func(ctx context.Context) (gateway, error)

// one returns a connector that uses a single method.
func one(find finder) connector {
	return func(ctx context.Context, want uint16) (gateway, grant, error) {
		gw, err := find(ctx)
		if err != nil {
			return nil, grant{}, err
		}
		g, err := gw.open(ctx, want)
		if err != nil {
			abandon(ctx, gw)
			return nil, grant{}, err
		}
		return gw, g, nil
	}
}

// abandon deletes the mapping that open may have left when the Mapper ended during a request: the
// request was sent, but nobody waited for the answer. After other failures the next attempt asks
// for the same port.
func abandon(ctx context.Context, gw gateway) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = gw.close(ctx)
}

// first returns a connector that searches with all methods in parallel and maps with the first
// gateway that answers, or with the next one if that fails. Only the searches run in parallel: two
// methods often talk to the same router, and deleting one mapping could delete the other.
func first(finders ...finder) connector {
	type found struct {
		gw  gateway
		err error
	}
	return func(ctx context.Context, want uint16) (gateway, grant, error) {
		search, cancel := context.WithCancel(ctx)
		results := make(chan found, len(finders))
		for _, find := range finders {
			go func() {
				gw, err := find(search)
				results <- found{gw, err}
			}()
		}
		left := len(finders)
		defer func() {
			cancel()
			for ; left > 0; left-- { // no goroutine outlives this attempt
				<-results
			}
		}()
		var errs []error
		for left > 0 {
			f := <-results
			left--
			if f.err == nil {
				var g grant
				if g, f.err = f.gw.open(ctx, want); f.err == nil {
					return f.gw, g, nil
				}
				abandon(ctx, f.gw)
			}
			errs = append(errs, f.err)
		}
		return nil, grant{}, errors.Join(errs...)
	}
}
