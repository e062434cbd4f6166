// Ratelimit has three server processes keep one limit for each client: however a
// client spreads its requests over the servers, it gets five an hour.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

const (
	most   = 5
	window = time.Hour
)

// usage is what is known of a client: it lies in the map as its bytes.
type usage struct {
	Since int64 // the begin of the window, in nanoseconds of Unix time
	Used  int64
}

func (u usage) over(now time.Time) bool { return now.UnixNano()-u.Since >= int64(window) }

var errSlowDown = errors.New("slow down")

// allow counts what the client does, or fails with errSlowDown.
func allow(ctx context.Context, clients *kv.Map[string, usage], client string, now time.Time) error {
	count := func(u *usage, _ bool) error { // a client that is not known has the zero usage
		if u.over(now) {
			*u = usage{Since: now.UnixNano()}
		}
		if u.Used == most {
			return errSlowDown
		}
		u.Used++
		return nil
	}
	err := clients.Update(ctx, client, count)
	if errors.Is(err, shm.ErrNoSpace) {
		if err := forget(ctx, clients, now); err != nil {
			return err
		}
		err = clients.Update(ctx, client, count)
	}
	return err
}

// forget makes room: it drops the clients that have not come for a window, unless
// they come just now.
func forget(ctx context.Context, clients *kv.Map[string, usage], now time.Time) error {
	for e, err := range clients.All() {
		if err != nil {
			return err
		}
		if !e.Value.over(now) {
			continue
		}
		if _, err := clients.CompareAndDelete(ctx, e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

type args struct {
	Clients  *kv.Map[string, usage]
	Requests []string
}

var server = process.Func("server", func(ctx context.Context, a args) error {
	for _, client := range a.Requests {
		if err := allow(ctx, a.Clients, client, time.Now()); err != nil && !errors.Is(err, errSlowDown) {
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
	clients, err := kv.Create[string, usage](ctx, seg, "clients", kv.Spec{Cap: 3})
	if err != nil {
		return err
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, client := range []string{"10.0.0.7", "10.0.0.8", "10.0.0.9"} {
		if err := allow(ctx, clients, client, yesterday); err != nil {
			return err
		}
	}
	var servers []*process.Child
	for range 3 {
		child, err := server.Start(ctx, args{clients, []string{"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"}})
		if err != nil {
			return err
		}
		servers = append(servers, child)
	}
	if err := process.Wait(ctx, servers...); err != nil {
		return err
	}
	for _, client := range []string{"10.0.0.1", "10.0.0.2"} {
		u, err := clients.Load(client)
		if err != nil {
			return err
		}
		fmt.Println(client, "got", u.Used)
	}
	return nil
}
