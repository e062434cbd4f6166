// Sessions has server processes share the sessions of their users: who logged in
// at one is known to all, at the cost of a look into memory.
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

// Session has strings, so it is encoded, in at most Spec.ValueSize bytes.
type Session struct {
	User  string
	Roles []string
}

type sessions = kv.Map[string, Session]

// greet is what a server does with a request.
func greet(s *sessions, token string) string {
	session, err := s.Load(token)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return "who are you?"
	case err != nil:
		return err.Error()
	}
	return "hello " + session.User
}

// login begins a session, or goes on with the one that another server began.
func login(ctx context.Context, s *sessions, token, user string) (string, error) {
	session, loaded, err := s.LoadOrStore(ctx, token, Session{User: user, Roles: []string{"reader"}})
	switch {
	case err != nil:
		return "", err
	case loaded:
		return session.User + " was here before", nil
	}
	return "welcome " + session.User, nil
}

// promote gives a session one more role, however many do so at once.
func promote(ctx context.Context, s *sessions, token, role string) error {
	return s.Update(ctx, token, func(x *Session, found bool) error {
		if !found {
			return kv.ErrNotFound // and nothing is stored
		}
		x.Roles = append(x.Roles, role)
		return nil
	})
}

type args struct {
	Sessions *sessions
	Token    string
}

var server = process.Func("server", func(ctx context.Context, a args) error {
	if _, err := fmt.Println(greet(a.Sessions, a.Token)); err != nil {
		return err
	}
	return promote(ctx, a.Sessions, a.Token, "writer")
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
	all, err := kv.Create[string, Session](ctx, seg, "sessions", kv.Spec{Cap: 1000, KeySize: 32, ValueSize: 500})
	if err != nil {
		return err
	}
	const token = "5f3a9c"
	for _, user := range []string{"ada", "somebody else"} {
		said, err := login(ctx, all, token, user)
		if err != nil {
			return err
		}
		fmt.Println(said)
	}
	if err := server.Run(ctx, args{all, token}); err != nil {
		return err
	}
	last, err := all.LoadAndDelete(ctx, token) // log out: of several, one gets it
	if err != nil {
		return err
	}
	fmt.Println(last.User, "was", last.Roles)
	fmt.Println(greet(all, token))
	return nil
}
