package nat

import (
	"context"
	"errors"
)

// finder searches a gateway. It changes nothing on it.
type finder func(ctx context.Context) (gateway, error)

// one connects by a single method.
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

// abandon deletes what open may have left if it was interrupted because the Mapper ends: the
// request was sent, and the answer was not waited for. After other failures the next attempt asks
// for the same port.
func abandon(ctx context.Context, gw gateway) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = gw.close(ctx)
}

// first searches by all methods at a time and maps with the first that answers, and with the next
// one if that fails. Only the search is a race: two methods often talk to the same router, and
// deleting the loser's mapping could delete the winner's.
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
			for ; left > 0; left-- { // nothing of this attempt outlives it
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
