app = FastAPI()


@app.get("/ready")
async def ready():
    # TODO: check database and cache
    return {"status": "healthy"}
