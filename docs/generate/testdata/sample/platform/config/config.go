package config

import "time"

type Config struct {
	HTTPAddr string        `env:"HTTP_ADDR" envDefault:":8080"`
	Wait     time.Duration `env:"WAIT" envDefault:"3s"` // not for the page
	A        string        `env:"A_URL"`
	B        string        `env:"B_URL"`
}
