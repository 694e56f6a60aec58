// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func natsGo() lab.System {
	return lab.System{
		Name: "NATS", About: "nats-server without JetStream in a process of its own, core messages; it has no unix sockets",
		Module: "github.com/nats-io/nats-server/v2", Schemes: []string{"tcp"}, Cannot: cannot(),
		Hub: natsHub, Provide: natsProvide, Dial: natsDial, Subscribe: natsSubscribe, Publish: natsPublish,
	}
}

func natsHub(j lab.Job) error {
	_, address := lab.Split(j.At)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: n, NoLog: true, NoSigs: true, MaxPayload: 2 << 20, MaxPending: 8 << 30, WriteDeadline: time.Minute})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("nats-server does not get ready")
	}
	return nil
}

func natsConnect(j lab.Job) (*nats.Conn, error) {
	_, address := lab.Split(j.At)
	return nats.Connect("nats://"+address, nats.NoReconnect())
}

// natsListen subscribes without a bound and returns when the server knows.
func natsListen(c *nats.Conn, f nats.MsgHandler) error {
	sub, err := c.Subscribe("bench", f)
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	return c.Flush()
}

func natsProvide(j lab.Job) error {
	c, err := natsConnect(j)
	if err != nil {
		return err
	}
	return natsListen(c, func(m *nats.Msg) { _ = m.Respond(m.Data) })
}

func natsDial(j lab.Job) (*lab.Client, error) {
	c, err := natsConnect(j)
	if err != nil {
		return nil, err
	}
	return &lab.Client{Call: func(_ int, request []byte) ([]byte, error) {
		m, err := c.Request("bench", request, 10*time.Second)
		if err != nil {
			return nil, err
		}
		return m.Data, nil
	}}, nil
}

func natsSubscribe(j lab.Job, got func(int, byte, int)) error {
	for i := range j.Subscribers {
		c, err := natsConnect(j)
		if err != nil {
			return err
		}
		if err := natsListen(c, func(m *nats.Msg) { got(i, m.Data[0], 1) }); err != nil {
			return err
		}
	}
	return nil
}

func natsPublish(j lab.Job) (*lab.Publisher, error) {
	c, err := natsConnect(j)
	if err != nil {
		return nil, err
	}
	return &lab.Publisher{Publish: func(m []byte) error { return c.Publish("bench", m) }, Flush: c.Flush}, nil
}
