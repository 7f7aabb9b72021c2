router = APIRouter(prefix="/api/v1")

@router.get("/health")
def health():
    return {"database": pool.ping()}

app = FastAPI()
app.include_router(router)
