// Prefork serves HTTP from several processes that accept from one listener. They
// share a rate limiter and counters; one that dies is replaced. As a
// demonstration it then asks itself some questions, and kills a server on the way.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

const (
	servers  = 3
	burst    = 20          // requests at once
	interval = time.Minute // between requests after that
)

// limiter admits a burst of requests, and then one in each interval, over all
// processes. Its only state is the time, in Unix nanoseconds, when the next
// request is due.
type limiter struct {
	Next *value.Atomic[int64]
}

func (l limiter) allow(now time.Time) bool {
	for {
		next := l.Next.Load()
		if next-now.UnixNano() > int64(interval*(burst-1)) {
			return false
		}
		if l.Next.CompareAndSwap(next, max(next, now.UnixNano())+int64(interval)) {
			return true
		}
	}
}

// args is what each server gets. The listener is inherited, the handles are
// opened anew, on the same memory.
type args struct {
	Listener *os.File
	Limit    limiter
	Requests *array.Atomic[uint64] // by class of status
}

var serve = process.Func("server", func(ctx context.Context, a args) error {
	ln, err := net.FileListener(a.Listener)
	if err != nil {
		return err
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		if !a.Limit.allow(time.Now()) {
			status = http.StatusTooManyRequests
		}
		a.Requests.Add(status/100, 1)
		w.Header().Set("Connection", "close") // so that the next request may go to another server
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, "hello from", process.Name())
	})}
	stop := context.AfterFunc(ctx, func() { _ = srv.Shutdown(context.WithoutCancel(ctx)) })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
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
	next, err := value.CreateAtomic[int64](ctx, seg, "next", 0)
	if err != nil {
		return err
	}
	requests, err := array.CreateAtomic[uint64](ctx, seg, "requests", array.Spec{Len: 6})
	if err != nil {
		return err
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer ln.Close()
	file, err := ln.File()
	if err != nil {
		return err
	}
	defer file.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	replaced := make(chan string, 1)
	var all sync.WaitGroup
	for range servers {
		all.Go(func() { cancel(supervise(ctx, args{file, limiter{next}, requests}, replaced)) })
	}
	err = demonstrate(ctx, "http://"+ln.Addr().String(), replaced)
	cancel(err)
	all.Wait()
	fmt.Println("served", requests.Load(2), "told to slow down", requests.Load(4))
	if err != nil {
		return context.Cause(ctx) // what came first: a server may have failed
	}
	return nil
}

// supervise runs a server, and another one whenever it dies, until ctx is done or
// one fails otherwise.
func supervise(ctx context.Context, a args, replaced chan<- string) error {
	for {
		err := serve.Run(ctx, a)
		exit, ok := errors.AsType[*process.ExitError](err)
		if ctx.Err() != nil || !ok || exit.Signal == 0 {
			return err
		}
		select {
		case replaced <- exit.Signal.String():
		default: // one is told of already, and this server must be replaced at once
		}
	}
}

// demonstrate asks for more than the limiter admits, and kills a server half way.
func demonstrate(ctx context.Context, url string, replaced <-chan string) error {
	for i := range burst + 10 {
		if i == burst/2 {
			if err := killOne(ctx, replaced); err != nil {
				return err
			}
		}
		if err := ask(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

func killOne(ctx context.Context, replaced <-chan string) error {
	if all := process.Children(); len(all) > 0 { // else somebody else has killed them
		if err := all[0].Kill(); err != nil {
			return err
		}
	}
	select {
	case how := <-replaced:
		fmt.Println("a server was", how, "and is replaced")
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}
