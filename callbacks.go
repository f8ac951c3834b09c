package discv5

import "sync"

// callbacks calls functions of the program's, one after another, from a goroutine of their own that
// exists while there are any: none of the node's goroutines or locks waits for them.
type callbacks struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	open    int // places that are reserved
	max     int
}

// reserve takes a place for one function, which add uses up and release gives back. It reports
// false if all are taken, among them those of functions that have not returned.
func (c *callbacks) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.max {
		return false
	}
	c.open++
	return true
}

func (c *callbacks) release() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
}

// add has f called soon.
func (c *callbacks) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, f)
	if !c.running {
		c.running = true
		go c.run()
	}
}

func (c *callbacks) run() {
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		if len(queue) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for i, f := range queue {
			queue[i] = nil
			f()
			c.release()
		}
	}
}
