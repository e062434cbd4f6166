// Inventory has three shops sell from one stock: nothing is sold twice, and of
// what is sold everything was there, also when a shop is killed at the till.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// item is a key of fixed layout; strings would do as well.
type item [4]byte

type stock struct{ Left, Sold int64 }

var (
	errUnknown = errors.New("there is no such item")
	errSoldOut = errors.New("it is sold out")
)

// sell sells one piece: an error of the function means that nothing has changed.
func sell(ctx context.Context, items *kv.Map[item, stock], what item) error {
	return items.Update(ctx, what, func(s *stock, found bool) error {
		switch {
		case !found:
			return errUnknown
		case s.Left == 0:
			return errSoldOut
		}
		s.Left--
		s.Sold++
		return nil
	})
}

var shop = process.Func("shop", func(ctx context.Context, items *kv.Map[item, stock]) error {
	for e, err := range items.All() { // what there is
		if err != nil {
			return err
		}
		for err == nil {
			err = sell(ctx, items, e.Key)
		}
		if !errors.Is(err, errSoldOut) {
			return err
		}
	}
	return nil
})

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	items, err := kv.Create[item, stock](ctx, seg, "items", kv.Spec{Cap: 100})
	if err != nil {
		return err
	}
	for _, name := range []string{"cups", "mugs"} {
		if err := items.Store(ctx, item([]byte(name)), stock{Left: 1000}); err != nil {
			return err
		}
	}
	var shops []*process.Child
	for range 3 {
		child, err := shop.Start(ctx, items)
		if err != nil {
			return err
		}
		shops = append(shops, child)
	}
	if err := process.Wait(ctx, shops...); err != nil {
		return err
	}
	for e, err := range items.All() {
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d left, %d sold\n", e.Key[:], e.Value.Left, e.Value.Sold)
	}
	fmt.Println(sell(ctx, items, item([]byte("hats"))))
	return nil
}
