// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func dbusDaemon() lab.System {
	return lab.System{
		Name: "D-Bus", About: "dbus-daemon and godbus; strings, because godbus codes arrays of bytes one by one; signals; no limits",
		Module: "github.com/godbus/dbus/v5", Program: "dbus-daemon", Package: "dbus-daemon", Schemes: []string{"unix"}, Cannot: cannot(),
		Hub: dbusHub, Provide: dbusProvide, Dial: dbusDial, Subscribe: dbusSubscribe, Publish: dbusPublish,
	}
}

const dbusName = "org.plexus.Bench"

func dbusHub(j lab.Job) error {
	_, path := lab.Split(j.At)
	limits := ""
	for _, name := range []string{"max_incoming_bytes", "max_outgoing_bytes", "max_message_size", "max_replies_per_connection", "max_connections_per_user"} {
		limits += fmt.Sprintf("<limit name=%q>%d</limit>", name, 100_000_000)
	}
	config := fmt.Sprintf(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>%s</busconfig>`, path, limits)
	return become(config, "dbus-daemon", "--config-file="+configuration, "--nofork", "--nopidfile", "--nosyslog")
}

func dbusConnect(j lab.Job) (*dbus.Conn, error) {
	_, path := lab.Split(j.At)
	var c *dbus.Conn
	err := lab.Retry(func() (err error) {
		c, err = dbus.Connect("unix:path="+path, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		return err
	})
	return c, err
}

type dbusEcho struct{}

// Do answers with the request.
func (dbusEcho) Do(in string) (string, *dbus.Error) { return in, nil }

func dbusProvide(j lab.Job) error {
	c, err := dbusConnect(j)
	if err != nil {
		return err
	}
	if err := c.Export(dbusEcho{}, "/", dbusName); err != nil {
		return err
	}
	_, err = c.RequestName(dbusName, dbus.NameFlagDoNotQueue)
	return err
}

func dbusDial(j lab.Job) (*lab.Client, error) {
	c, err := dbusConnect(j)
	if err != nil {
		return nil, err
	}
	object := c.Object(dbusName, "/")
	return &lab.Client{Call: func(_ int, request []byte) ([]byte, error) {
		var reply string
		err := object.Call(dbusName+".Do", 0, string(request)).Store(&reply)
		return []byte(reply), err
	}}, nil
}

func dbusSubscribe(j lab.Job, got func(int, byte, int)) error {
	for i := range j.Subscribers {
		c, err := dbusConnect(j)
		if err != nil {
			return err
		}
		signals := make(chan *dbus.Signal, 1024)
		c.Signal(signals)
		if err := c.AddMatchSignal(dbus.WithMatchInterface(dbusName)); err != nil {
			return err
		}
		go func() {
			for s := range signals {
				if text, ok := s.Body[0].(string); ok && s.Name == dbusName+".Tick" {
					got(i, text[0], 1)
				}
			}
		}()
	}
	return nil
}

func dbusPublish(j lab.Job) (*lab.Publisher, error) {
	c, err := dbusConnect(j)
	if err != nil {
		return nil, err
	}
	return &lab.Publisher{Publish: func(m []byte) error { return c.Emit("/", dbusName+".Tick", string(m)) }}, nil
}
