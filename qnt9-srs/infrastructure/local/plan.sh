#!/usr/bin/env bash
# Plans one environment: `./plan.sh dev [arguments for terraform plan]`.
# Writes tfplan (what `terraform apply` takes) and tfplan.json (what people and qnt9 read).
set -euo pipefail

tfvars="environments/$1.tfvars"
shift

terraform plan -input=false -no-color -var-file="$tfvars" -out=tfplan "$@" 2>&1 | tee plan.log

# terraform only warns about a value that no variable takes. It is a typing error that would leave the
# environment with a setting nobody chose, so here it fails.
# The warning is wrapped at any space, so its lines are joined before it is searched.
undeclared="$(tr -s '[:space:]' ' ' < plan.log | grep -o 'not declare a variable named "[^"]*"' | cut -d'"' -f2 || true)"
for name in $undeclared; do
  line="$(grep -nE "^[[:space:]]*$name[[:space:]]*=" "$tfvars" | cut -d: -f1 | head -1 || true)"
  echo "::error file=infrastructure/local/$tfvars,line=${line:-1}::$name is not a variable of variables.tf; declared are: $(
    sed -n 's/^variable "\(.*\)" {.*/\1/p' variables.tf | paste -sd ' ')"
done
if [ -n "$undeclared" ]; then
  rm -f tfplan
  exit 1
fi

terraform show -json tfplan > tfplan.json
