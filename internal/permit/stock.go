package permit

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// The operations of a Signal semaphore on its stock: its permits belong to
// nobody, so one compare-and-swap moves any number of them. Only the owner of
// bulk reserves any; they go back to the free ones if it dies.

// readStock returns the stock, or an error if no correct process writes it.
func (c *Core) readStock() (stock, error) {
	s := stock(c.head.tally.Load()) // pairs with: permit.stock (Acquire)
	if s.free()+s.reserved() > c.limit {
		return s, mem.Corrupt("semaphore.tally", offsetTally, fmt.Sprintf("%d permits free, %d reserved", s.free(), s.reserved()), fmt.Sprintf("at most %d", c.limit))
	}
	return s, nil
}

// consume takes n permits for good, and reports whether there were so many.
func (c *Core) consume(n int64) (bool, error) {
	for {
		s, err := c.readStock()
		if err != nil || s.free() < n {
			return false, err
		}
		if c.head.tally.CompareAndSwap(uint64(s), uint64(newStock(s.free()-n, s.reserved()))) {
			return true, nil
		}
	}
}

// supply adds n permits. It fails with fs.ErrInvalid if there would be too many.
func (c *Core) supply(n int64) error {
	for {
		s, err := c.readStock()
		if err != nil {
			return err
		}
		if n > c.limit-s.free()-s.reserved() {
			return fmt.Errorf("semaphore: %d more than %d permits are too many, want at most %d: %w", n, s.free()+s.reserved(), c.limit, fs.ErrInvalid)
		}
		if c.head.tally.CompareAndSwap(uint64(s), uint64(newStock(s.free()+n, s.reserved()))) { // commit; pairs with: permit.stock (Acquire)
			return nil
		}
	}
}

// consumeReserved takes n permits for good, those reserved before among them, if
// there are so many; else it reserves all that are free. It returns how many it
// is short of. Only the owner of bulk calls it.
func (c *Core) consumeReserved(n int64) (short int64, err error) {
	for {
		s, err := c.readStock()
		if err != nil {
			return n, err
		}
		short := n - s.free() - s.reserved()
		next := newStock(-short, 0)
		if short > 0 {
			next = newStock(0, s.free()+s.reserved())
		}
		if next == s || c.head.tally.CompareAndSwap(uint64(s), uint64(next)) {
			return max(short, 0), nil
		}
	}
}

// unreserve makes the reserved permits free again. Only the owner of bulk calls
// it, or who repairs for it.
func (c *Core) unreserve() {
	for {
		s, err := c.readStock()
		if err != nil || s.reserved() == 0 {
			return
		}
		if c.head.tally.CompareAndSwap(uint64(s), uint64(newStock(s.free()+s.reserved(), 0))) { // commit; pairs with: permit.stock (Acquire)
			return
		}
	}
}
