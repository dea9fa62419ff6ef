package console

import "shopping-cart/platform/web"

func (c *Console) showLimits(v *visit) error {
	found, err := get[web.LimitsView](v, "/v1/admin/limits", nil)
	if err != nil {
		return err
	}
	return v.show("limits", "limits", "Limits", found)
}
